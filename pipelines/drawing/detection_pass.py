"""Finding the people of a video and posing them, in two readings of it, with nothing large kept between.

Who the main actors are is known only when all frames have been looked at, so the chosen boxes are posed in a
second reading. A one-stage network has answered everything in the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from heatpool.extract.engine.estimators import OneStage, PosedPeople, Poser, TopDown
from heatpool.extract.records import Detections, Frame, FramePeople, PoseBackbone, PoseBatch
from heatpool.extract.video.reader import FrameCountError, VideoInfo, iter_frames
from heatpool.pipelines.drawing.scene import HeatFile, Scene, Sighting
from heatpool.pool.errors import HeatpoolError

__all__ = ["KnownBoxes", "TappedHeatmaps", "look_at", "pose_again", "pose_kept"]

T = TypeVar("T")


class KnownBoxes:
    """A detector that answers with the chosen people of a sighting.

    Args:
        sighting: of the video.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
    """

    def __init__(self, sighting: Sighting, chosen: np.ndarray) -> None:
        self._found: dict[int, Detections] = {}
        numbers = (sighting.info.first_frame + sighting.frames).tolist()
        for at, (number, found) in enumerate(zip(numbers, sighting.detections(), strict=True)):
            some = np.sort(chosen[chosen[:, at] >= 0, at])  # detections stay sorted, best first
            self._found[number] = Detections(found.boxes_xyxy_px[some], found.scores[some])

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the chosen people of each frame."""
        return [self._found[frame.index] for frame in frames]


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
        self.tap_channels = backbone.tap_channels
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


def look_at(
    path: Path,
    poser: Poser[Any],
    *,
    info: VideoInfo,
    stride: int = 1,
    batch: int = 32,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Sighting:
    """Find the people of a video.

    Args:
        path: video file.
        poser: finds them.
        info: of the window, from `probe`.
        stride: every so many frames are looked at.
        batch: frames per look.
        on_frames: called with the number of frames after each look.

    Raises:
        HeatpoolError: if the video cannot be read or no frame of it decodes.
    """
    while True:
        reading = _Reading(path, info, stride)
        found: list[Detections | FramePeople] = []
        times_s: list[float] = []
        size_px = (0, 0)
        for frames in _batches(reading, batch):
            found += [_slim(look) for look in poser.look(frames)]
            times_s += [frame.time_s for frame in frames]
            size_px = (frames[-1].rgb.shape[1], frames[-1].rgb.shape[0])
            on_frames(len(frames))
        if reading.decoded == info.frames:
            break
        more = reading.decoded > info.frames
        info = info.corrected(reading.decoded)
        if not more:
            break  # else read again, with the frames that nobody promised
    if not found:
        raise HeatpoolError(f"expected a video with frames, none of {path.name} decodes")
    if reading.corrupt and not info.damage:
        info = replace(info, damage=f"{reading.corrupt} frames are damaged")
    numbers = np.arange(0, info.frames, stride)[: len(found)]
    return Sighting(path, info, numbers, np.array(times_s), size_px, found)


def pose_kept(sighting: Sighting, chosen: np.ndarray, poser: OneStage) -> Scene:
    """Pick the chosen people out of what a one-stage network said of them.

    Args:
        sighting: made with a one-stage network.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
        poser: of this network.
    """
    scene = Scene.empty(len(chosen), len(sighting.frames), poser.joints)
    for at, look in enumerate(sighting.found):
        slots = np.flatnonzero(chosen[:, at] >= 0).tolist()
        if slots and isinstance(look, FramePeople):
            posed = poser.pose([(look, int(chosen[slot, at])) for slot in slots])
            boxes = look.detections.boxes_xyxy_px[chosen[slots, at]]
            _fill(scene, [(slot, at) for slot in slots], posed, boxes)
    return scene


def pose_again(
    sighting: Sighting,
    chosen: np.ndarray,
    poser: TopDown,
    *,
    network: TappedHeatmaps,
    heat: HeatFile,
    frame_batch: int = 32,
    person_batch: int = 64,
    on_frames: Callable[[int], None] = lambda count: None,
) -> Scene:
    """Read the video again and run the pose network on the chosen people.

    Args:
        sighting: of the video.
        chosen: (M, F) int64, which detection fills a slot in a frame, -1 for none.
        poser: `network` behind a `KnownBoxes` detector of the same choice.
        network: remembers the heatmaps.
        heat: takes them.
        frame_batch: frames that are cut at once.
        person_batch: people per call of the network.
        on_frames: called with the number of frames after each batch.
    """
    scene = Scene.empty(len(chosen), len(sighting.frames), poser.joints)
    with_people = np.flatnonzero((chosen >= 0).any(0))
    frames = sighting.read(with_people) if len(with_people) else iter(())
    for batch in _batches(frames, frame_batch):
        looks = poser.look([frame for _, frame in batch])
        people = []
        for (at, _), look in zip(batch, looks, strict=True):
            slots = np.flatnonzero(chosen[:, at] >= 0)
            order = slots[np.argsort(chosen[slots, at])]  # as `KnownBoxes` answers
            people += [(int(slot), at, look, number) for number, slot in enumerate(order)]
        for first in range(0, len(people), person_batch):
            some = people[first : first + person_batch]
            posed = poser.pose([(look, number) for _, _, look, number in some])
            places = [(slot, at) for slot, at, _, _ in some]
            _fill(scene, places, posed, [look.detections.boxes_xyxy_px[n] for _, _, look, n in some])
            for (slot, at, look, number), heatmap in zip(some, network.take(), strict=False):
                cells_per_px = np.divide(heatmap.shape[::-1], (network.crop.width_px, network.crop.height_px))
                heat.put(slot, at, heatmap, np.diag(cells_per_px) @ look.affines[number])
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
    scene: Scene, places: Sequence[tuple[int, int]], posed: PosedPeople, boxes_xyxy_px: Sequence[np.ndarray]
) -> None:
    for number, place in enumerate(places):
        scene.filled[place] = True
        scene.boxes_xyxy_px[place] = boxes_xyxy_px[number]
        scene.joints_xy_px[place] = posed.joints_xy_px[number]
        scene.scores[place] = posed.scores[number]
        scene.energy[place] = np.linalg.norm(posed.pooled[number])


def _slim(look: Any) -> Detections | FramePeople:
    """Keep of a look what its size allows: no crops, and of pooled vectors and means their norms."""
    if not isinstance(look, FramePeople):
        return look.detections
    pooled, mean = (
        np.linalg.norm(each, axis=-1, keepdims=True).astype(np.float32)
        for each in (look.pooled, look.map_mean)
    )
    return replace(look, pooled=pooled, map_mean=mean)


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    source = iter(items)
    while batch := list(islice(source, size)):
        yield batch
