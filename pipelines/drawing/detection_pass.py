"""Finding the persons of a video and posing them, in two readings of it, with nothing large kept between.

Who the main actors are is known only when all frames have been seen, so the chosen boxes are posed in a
second reading. A one-stage network has done everything in the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from heatpool.extract.engine.at_once import look_at, pose_now
from heatpool.extract.engine.estimators import CroppedPersons, OneStage, PosedPersons, PoseEstimator, TopDown
from heatpool.extract.records import Detections, Frame, FramePersons, PoseBackbone, PoseBatch
from heatpool.extract.video.reader import FrameCountError, VideoInfo, iter_frames
from heatpool.pipelines.drawing.overlay import crop_cells
from heatpool.pipelines.drawing.scene import HeatFile, Scene
from heatpool.pool.errors import HeatpoolError

__all__ = ["DetectionPass", "KnownBoxes", "TappedHeatmaps", "pose_again", "pose_kept", "run_detection_pass"]

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class DetectionPass:
    """What is known of a video after the detector went over it: F frames and the persons found in them.

    Attributes:
        path: video file.
        info: of the window, with the number of frames that can be decoded.
        frames: (F,) int64, numbers of the frames within the window.
        time_s: (F,) float64, from the start of the video.
        size_px: width and height of a frame, upright.
        found: of F frames: `Detections`, or `FramePersons` of a one-stage network whose `pooled` is
            reduced to (D, V, 1), the L2 norms.
    """

    path: Path
    info: VideoInfo
    frames: np.ndarray
    time_s: np.ndarray
    size_px: tuple[int, int]
    found: Sequence[Detections | FramePersons]

    def detections(self) -> list[Detections]:
        """Return the persons of each frame."""
        return [each.detections if isinstance(each, FramePersons) else each for each in self.found]

    def read(self, at: np.ndarray) -> Iterator[tuple[int, Frame]]:
        """Decode some of the F frames, by their rising positions, and yield each with its position."""
        frames = iter_frames(self.path, self.frames[at], info=self.info)
        for place, frame in zip(at.tolist(), frames, strict=True):
            yield place, Frame(0, self.info.first_frame + frame.index, frame.time_s, frame.rgb)


class KnownBoxes:
    """A detector that finds the chosen persons of a detection pass again.

    Args:
        detected: of the video.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
    """

    def __init__(self, detected: DetectionPass, chosen: np.ndarray) -> None:
        self._found: dict[int, Detections] = {}
        numbers = (detected.info.first_frame + detected.frames).tolist()
        for at, (number, found) in enumerate(zip(numbers, detected.detections(), strict=True)):
            some = np.sort(chosen[chosen[:, at] >= 0, at])  # detections stay sorted, best first
            self._found[number] = found.pick(some)

    def prepare(self, frame: Frame) -> int:
        """Return the number of the frame."""
        return frame.index

    def detect(self, prepared: Sequence[int]) -> list[Detections]:
        """Return the chosen persons of each frame."""
        return [self._found[number] for number in prepared]


class TappedHeatmaps:
    """A pose network that remembers the heatmaps of its crops, reduced to the highest of some joints.

    Args:
        backbone: the network.
        joints: joints that count; none to remember nothing.
    """

    def __init__(self, backbone: PoseBackbone, joints: Sequence[int]) -> None:
        self._backbone, self._which = backbone, list(joints)
        self.name, self.tap, self.channels = backbone.name, backbone.tap, backbone.channels
        self.joints, self.crop, self.weights_sha256 = backbone.joints, backbone.crop, backbone.weights_sha256
        self.tap_channels, self.skeleton = backbone.tap_channels, backbone.skeleton
        self._maps: list[np.ndarray] = []

    def forward(self, crops: Tensor) -> PoseBatch:
        """Run the network; see `PoseBackbone`."""
        pose = self._backbone.forward(crops)
        if pose.heatmaps is not None and self._which:
            highest = pose.heatmaps[:, self._which].float().amax(1).clamp(0, 1)
            self._maps.extend((highest * 255).round().byte().cpu().numpy())
        return pose

    def take(self) -> list[np.ndarray]:
        """Return the maps (h, w) uint8 of all crops since the last call, in order."""
        maps, self._maps = self._maps, []
        return maps


def run_detection_pass(
    path: Path,
    estimator: PoseEstimator,
    *,
    info: VideoInfo,
    stride: int = 1,
    batch: int = 32,
    on_frames: Callable[[int], None] = lambda count: None,
) -> DetectionPass:
    """Find the persons of a video.

    Args:
        path: video file.
        estimator: finds them.
        info: of the window, from `probe`.
        stride: every so many frames are looked at.
        batch: frames per call of the detector.
        on_frames: called with the number of frames after each call.

    Raises:
        HeatpoolError: if the video cannot be read or no frame of it decodes.
    """
    while True:
        reading = _Reading(path, info, stride)
        found: list[Detections | FramePersons] = []
        times_s: list[float] = []
        size_px = (0, 0)
        for frames in _batches(reading, batch):
            found += [_slim(each) for each in look_at(estimator, frames)]
            times_s += [frame.time_s for frame in frames]
            size_px = (frames[-1].rgb.shape[1], frames[-1].rgb.shape[0])
            on_frames(len(frames))
        if reading.decoded == info.frames:
            break
        more = reading.decoded > info.frames
        info = info.corrected(reading.decoded)
        if not more:
            break  # else read again, with the frames that the header did not promise
    if not found:
        raise HeatpoolError(f"expected a video with frames, none of {path.name} decodes")
    if reading.corrupt and not info.damage:
        info = replace(info, damage=f"{reading.corrupt} frames are damaged")
    numbers = np.arange(0, info.frames, stride)[: len(found)]
    return DetectionPass(path, info, numbers, np.array(times_s), size_px, found)


def pose_kept(detected: DetectionPass, chosen: np.ndarray, estimator: OneStage) -> Scene:
    """Pick the chosen persons out of what a one-stage network found.

    Args:
        detected: made with a one-stage network.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
        estimator: of this network.
    """
    scene = Scene.empty(len(chosen), len(detected.frames), estimator.joints)
    for at, found in enumerate(detected.found):
        slots = np.flatnonzero(chosen[:, at] >= 0).tolist()
        if slots and isinstance(found, FramePersons):
            posed = pose_now(estimator, [(found, int(chosen[slot, at])) for slot in slots])
            boxes = found.detections.boxes_xyxy_px[chosen[slots, at]]
            _fill(scene, [(slot, at) for slot in slots], posed, boxes)
    return scene


def pose_again(
    detected: DetectionPass,
    chosen: np.ndarray,
    estimator: TopDown,
    *,
    network: TappedHeatmaps,
    heat: HeatFile,
    frame_batch: int = 32,
    person_batch: int = 64,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Scene:
    """Read the video again and run the pose network on the chosen persons.

    Args:
        detected: of the video.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
        estimator: `network` behind a `KnownBoxes` detector of the same choice.
        network: remembers the heatmaps.
        heat: takes them.
        frame_batch: frames that are cut at once.
        person_batch: persons per call of the network.
        on_frames: called with the number of frames after each batch.
    """
    crop_size_px = network.crop.width_px, network.crop.height_px
    scene = Scene.empty(len(chosen), len(detected.frames), estimator.joints)
    with_persons = np.flatnonzero((chosen >= 0).any(0))
    frames = detected.read(with_persons) if len(with_persons) else iter(())
    for batch in _batches(frames, frame_batch):
        kept = look_at(estimator, [frame for _, frame in batch])
        persons = []
        for (at, _), found in zip(batch, kept, strict=True):
            slots = np.flatnonzero(chosen[:, at] >= 0)
            order = slots[np.argsort(chosen[slots, at])]  # as `KnownBoxes` returns them
            persons += [(int(slot), at, found, number) for number, slot in enumerate(order)]
        for first in range(0, len(persons), person_batch):
            some = persons[first : first + person_batch]
            posed = pose_now(estimator, [(found, number) for _, _, found, number in some])
            places = [(slot, at) for slot, at, _, _ in some]
            _fill(scene, places, posed, [found.detections.boxes_xyxy_px[n] for _, _, found, n in some])
            for (slot, at, found, number), heatmap in zip(some, network.take(), strict=False):
                heat.put(slot, at, heatmap, crop_cells(heatmap, found.affines[number], crop_size_px))
        on_frames(len(batch))
    return scene


class _Reading:
    """One reading of a window's frames, which knows afterwards how many decode and are damaged."""

    def __init__(self, path: Path, info: VideoInfo, stride: int) -> None:
        self._path, self._info, self._stride = path, info, stride
        self.decoded, self.corrupt = info.frames, 0

    def __iter__(self) -> Iterator[Frame]:
        info = self._info
        try:
            for each in iter_frames(self._path, np.arange(0, info.frames, self._stride), info=info):
                self.corrupt += each.corrupt
                yield Frame(0, info.first_frame + each.index, each.time_s, each.rgb)
        except FrameCountError as count:
            self.decoded = count.decoded


def _fill(
    scene: Scene, places: Sequence[tuple[int, int]], posed: PosedPersons, boxes_xyxy_px: Sequence[np.ndarray]
) -> None:
    for number, place in enumerate(places):
        scene.filled[place] = True
        scene.boxes_xyxy_px[place] = boxes_xyxy_px[number]
        scene.joints_xy_px[place] = posed.joints_xy_px[number]
        scene.scores[place] = posed.scores[number]
        scene.energy[place] = np.linalg.norm(posed.pooled[number])


def _slim(found: CroppedPersons | FramePersons) -> Detections | FramePersons:
    """Keep of a frame what its size allows: no crops, and of pooled vectors and means their norms."""
    if not isinstance(found, FramePersons):
        return found.detections
    pooled, mean = (
        np.linalg.norm(each, axis=-1, keepdims=True).astype(np.float32)
        for each in (found.pooled, found.map_mean)
    )
    return replace(found, pooled=pooled, map_mean=mean)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
