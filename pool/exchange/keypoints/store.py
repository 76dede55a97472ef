"""Stores made of other programs' keypoints: persons in slots, T steps, in the picture or in space."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from heatpool.pool.derive.build import OnClips
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart, store_clips
from heatpool.pool.exchange.keypoints.clip_arrays import (
    ChoosePersons,
    clip_arrays,
    cut_part,
    without_stride,
)
from heatpool.pool.exchange.keypoints.records import SPATIAL_AXES, PoseFile, PoseVideo
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.spec import StoreSpec

__all__ = ["FindVideo", "VideoFacts", "import_poses"]


@dataclass(frozen=True)
class VideoFacts:
    """What a video itself says that a file of its keypoints may not.

    Attributes:
        width_px, height_px: of the picture as a player shows it.
        fps: frames a second.
        frames: number of them.
    """

    width_px: int
    height_px: int
    fps: float
    frames: int


_log = logging.getLogger(__name__)

_FEW = 0.25  # share of the steps with somebody, below which the file has labels of some frames only

FindVideo = Callable[[int], VideoFacts | None]
"""Looks at the video of a place in the file; None where it is not to be had."""


def import_poses(
    file: PoseFile,
    out: str | Path,
    *,
    index: ClipIndex,
    parts: Sequence[ClipPart],
    choose: ChoosePersons,
    find_video: FindVideo = lambda number: None,
    skeleton: Skeleton | None = None,
    steps: int = 64,
    persons: int = 2,
    frame_size_px: tuple[int, int] | None = None,
    fps: float = 0.0,
    shard_clips: int = 64,
    licence: str = "",
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store of keypoints from another program's file. It has no pooled features.

    A clip that cannot be read, or whose video the file does not have, is failed and says why.

    Args:
        file: of `open_poses`.
        out: store to make.
        index: of the clips: labels and splits.
        parts: of the clips: where they are in the file.
        choose: says who fills the slots.
        find_video: asked where the file does not tell size or frame rate, and nothing is given here.
        skeleton: names and edges of the joints, in place of the file's.
        steps: T.
        persons: M, most person slots.
        frame_size_px: width and height of pictures whose size the file does not tell.
        fps: frames a second of videos of which the file does not tell them.
        shard_clips: clips per shard.
        licence: of the data.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if no clip can be taken, or `out` exists.
    """
    videos = _Videos(file, frame_size_px, fps, find_video)
    first = videos.first()
    spatial = first.joints.shape[2] == 3
    boxes = ["boxes"] if first.box_xyxy_px is not None and not spatial else []
    config: dict[str, object] = {"imported_from": file.kind, "arrays": ["keypoints", *boxes]}
    if spatial:
        config["keypoint_axes"] = SPATIAL_AXES
    skeleton = skeleton or file.skeleton
    if skeleton.joints != file.skeleton.joints:
        raise HeatpoolError(
            f"expected a skeleton of {file.skeleton.joints} joints, got one of {skeleton.joints}"
        )
    spec = StoreSpec(
        persons=persons, steps=steps, joints=skeleton.joints, channels=1,
        skeleton=skeleton.name, joint_names=skeleton.joint_names, edges=skeleton.edges,
        backbone="none", tap="none", weights_sha256="", config=config, licence=licence,
    )  # fmt: skip

    mostly_empty = []

    def make(row: int) -> tuple[dict[str, np.ndarray], ClipResult]:
        arrays, result = _make_clip(videos, parts[row], choose, spec)
        if 0 < arrays["mask"].any(0).mean() < _FEW:
            mostly_empty.append(row)
        return arrays, result

    store_clips(
        out, spec=spec, index=index, make=make,
        shard_clips=shard_clips, overwrite=overwrite, on_clips=on_clips,
    )  # fmt: skip
    if mostly_empty:
        _log.warning(
            f"{len(mostly_empty)} of {len(parts)} clips have somebody in less than a quarter of their "
            "frames, as files of labels do: predictions of all frames tell more"
        )


class _Videos:
    """The videos of a file, one at a time: clips of the same one follow each other."""

    def __init__(
        self, file: PoseFile, size_px: tuple[int, int] | None, fps: float, find_video: FindVideo
    ) -> None:
        self._file, self._size_px, self._fps, self._find = file, size_px, fps, find_video
        self._held: tuple[int, PoseVideo, int] | None = None

    def first(self) -> PoseVideo:
        """Return the first video that can be read."""
        error = HeatpoolError(f"expected videos of {self._file.kind}, got none")
        for number in range(len(self._file.names)):
            try:
                return self._file.read(number)
            except HeatpoolError as damage:
                error = damage
        raise error

    def get(self, number: int) -> tuple[PoseVideo, int]:
        """Return a video of a known picture size, and of how many frames it has one."""
        if number < 0:
            raise HeatpoolError("the file has no keypoints of this video")
        if self._held is None or self._held[0] != number:
            video, stride = without_stride(self._completed(self._file.read(number), number))
            self._held = number, video, stride
        return self._held[1:]

    def _completed(self, video: PoseVideo, number: int) -> PoseVideo:
        """The video with a frame rate and, in 2-D, a size, from what is given or else the video itself."""
        sized = video.joints.shape[2] == 3 or (video.width_px and not video.in_fractions)
        fps, size_px = video.fps or self._fps, None if sized else self._size_px
        facts = None if fps and (sized or size_px) else self._find(number)
        frames = video.frames
        if facts is not None:
            fps, size_px = fps or facts.fps, size_px or (facts.width_px, facts.height_px)
            last = int(video.frame[-1]) if len(video) else -1
            frames = frames or (facts.frames if facts.frames > last else 0)
        video = replace(video, fps=fps, frames=frames)
        if sized or (video.in_fractions and size_px is None):
            return video
        if size_px is None:
            reach = np.nanmax(video.joints.reshape(-1, 2), axis=0, initial=0)
            raise HeatpoolError(
                f"the file does not say how large its pictures are: give --frame-size, such as 640x480 "
                f"(joints reach to x = {reach[0]:.0f}, y = {reach[1]:.0f})"
            )
        return _in_picture(video, *size_px)


def _in_picture(video: PoseVideo, width_px: int, height_px: int) -> PoseVideo:
    """The video in a picture of this size, fractions as its pixels."""
    joints, boxes = video.joints, video.box_xyxy_px
    if video.in_fractions:
        size_px = np.array([width_px, height_px], np.float32)
        joints, boxes = joints * size_px, None if boxes is None else boxes * np.tile(size_px, 2)
    return replace(video, joints=joints, box_xyxy_px=boxes, width_px=width_px, height_px=height_px)


def _make_clip(
    videos: _Videos, part: ClipPart, choose: ChoosePersons, spec: StoreSpec
) -> tuple[dict[str, np.ndarray], ClipResult]:
    whole, stride = videos.get(part.video)
    expected = (spec.joints, 3 if spec.config.get("keypoint_axes") else 2)
    if (got := whole.joints.shape[1:]) != expected:
        raise ValueError(f"expected {expected[0]} joints of {expected[1]} axes as in others, got {got}")
    video, first = cut_part(whole, part)
    slots = min(spec.persons, part.persons or spec.persons)
    made = clip_arrays(video, choose(video, slots), slots=spec.persons, steps=spec.steps, first=first)
    seen = bool(made.mask.any())
    return vars(made), ClipResult(
        Status.OK if seen else Status.NO_PERSON,
        frames=video.frames * stride,
        fps=video.fps * stride,
        width_px=0 if video.in_fractions else video.width_px,
        height_px=0 if video.in_fractions else video.height_px,
        persons=int(made.mask.any(1).sum()),
        reason="" if seen else _nobody(video),
    )


def _nobody(video: PoseVideo) -> str:
    if not len(video):
        return "nobody in any frame of the file"
    frames = len(np.unique(video.frame))
    return (
        f"somebody in {frames} of {video.frames} frames, but nobody long enough or at the steps that are kept"
    )
