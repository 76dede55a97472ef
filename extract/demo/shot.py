"""One clip as a camera sees it: frames and their ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from heatpool.extract.demo.camera import Camera
from heatpool.extract.demo.effects import Grain, Mover, Occluder, Shadows, window
from heatpool.extract.demo.motion import Performance
from heatpool.extract.demo.props import Chair
from heatpool.extract.demo.render import Light, SolidTracks
from heatpool.extract.demo.scene import Place, draw_backdrop
from heatpool.extract.demo.subjects import Subject
from heatpool.pool.skeleton import COCO17_SKELETON

_COCO = COCO17_SKELETON.joints
# How far (m) a joint may lie behind the surface that covers it and still count as seen: its own flesh.
_FLESH_M = np.array(
    [0.05, 0.05, 0.05, 0.07, 0.07, *[0.13] * 2, *[0.09] * 2, *[0.08] * 2, *[0.19] * 2, *[0.11] * 4]
)


@dataclass(frozen=True)
class Shot:
    """How a clip is taken.

    Attributes:
        camera, light, place: where from, in which light, where.
        mover: what moves in the background.
        occluder: what stands in front, if anything.
        bystander: an unused chair.
        shake_px: (T, 2) integer image shift of a hand-held camera.
        gain: (T,) brightness over time.
        grain: sensor noise in grey levels.
    """

    camera: Camera
    light: Light
    place: Place
    mover: Mover
    shake_px: np.ndarray
    gain: np.ndarray
    grain: float
    occluder: Occluder | None = None
    bystander: Chair | None = None


@dataclass(frozen=True)
class Truth:
    """Ground truth of T frames and P people.

    Attributes:
        joints_xy_px: (T, P, 17, 2) float32.
        visible: (T, P, 17) bool: inside the frame and not hidden.
        boxes_xyxy_px: (T, P, 4) float32, the whole body cut to the frame.
    """

    joints_xy_px: np.ndarray
    visible: np.ndarray
    boxes_xyxy_px: np.ndarray


@dataclass
class ShotRenderer:
    """Draws a performance frame by frame.

    Attributes:
        performance, subjects, shot: what is taken, who acts, how it is taken.
        rng: noise; frames must be drawn in order to be reproducible.
    """

    performance: Performance
    subjects: Sequence[Subject]
    shot: Shot
    rng: np.random.Generator
    _visible: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shot, joints = self.shot, self.performance.joints_xyz_m
        camera = shot.camera
        chairs = tuple(chair for chair in (self.performance.chair, shot.bystander) if chair is not None)
        self._backdrop = draw_backdrop(shot.place, camera, light=shot.light, chairs=chairs)
        self._tracks: SolidTracks | None = None  # an empty scene has neither bodies nor shadows
        if self.subjects:
            self._tracks = SolidTracks(self.performance, self.subjects, camera=camera, light=shot.light)
            self._shadows = Shadows(joints, camera, shot.light)
        px, self._depth = camera.project(joints[:, :, :_COCO])
        self._px = px + shot.shake_px[:, None, None, :]
        self._visible = np.zeros(px.shape[:3], bool)
        self._grain = Grain(shot.grain, width_px=camera.width_px, height_px=camera.height_px)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._px)

    def frame(self, step: int) -> np.ndarray:
        """Draw frame ``step``: (H, W, 3) uint8 RGB; also fixes which joints are visible in it."""
        shot = self.shot
        shift = shot.shake_px[step]
        rgb, depth, floor = window(self._backdrop, shift)
        shot.mover.draw(rgb, depth, shot.camera, step / 30.0, shift)
        if self._tracks is not None:
            self._shadows.apply(step, rgb, floor, shift)
            canvas = rgb.astype(np.float32)
            self._tracks.draw(step, canvas, depth, shift)
            self._see(step, depth)
            rgb = cv2.convertScaleAbs(canvas, alpha=float(shot.gain[step]))
        if shot.occluder is not None:
            shot.occluder.draw(rgb)
        return self._grain.add(rgb, self.rng)

    def _see(self, step: int, depth_m: np.ndarray) -> None:
        height, width = depth_m.shape
        pixel = np.round(self._px[step]).astype(int)
        inside = ((pixel >= 0) & (pixel < [width, height])).all(-1)
        column, row = np.clip(pixel[..., 0], 0, width - 1), np.clip(pixel[..., 1], 0, height - 1)
        free = depth_m[row, column] > self._depth[step] - _FLESH_M
        seen = inside & free
        if self.shot.occluder is not None:
            seen &= ~self.shot.occluder.hides(self._px[step])
        self._visible[step] = seen

    def truth(self) -> Truth:
        """Ground truth; complete once all frames are drawn."""
        persons = len(self.subjects)
        limit = np.array([self.shot.camera.width_px - 1, self.shot.camera.height_px - 1] * 2)
        boxes = np.zeros((len(self), persons, 4), np.float32)
        for slot in range(persons):
            assert self._tracks is not None
            own = self._tracks.boxes_px[:, self._tracks.owner == slot]
            box = np.concatenate([own[..., :2].min(1) + 1.0, own[..., 2:].max(1) - 1.0], -1)
            boxes[:, slot] = np.clip(box + np.tile(self.shot.shake_px, 2), 0, limit)
        return Truth(self._px.astype(np.float32), self._visible.copy(), boxes)
