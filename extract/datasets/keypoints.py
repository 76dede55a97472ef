"""Keypoints of other programs as joints for pooling: by video, read when they are asked for."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from heatpool.extract.datasets.box_videos import VideoNames
from heatpool.extract.datasets.given_persons import GivenPersons, list_some
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import PoseFormat, find_format, open_poses
from heatpool.pool.exchange.keypoints.records import PoseFile, PoseVideo
from heatpool.pool.skeleton import Skeleton

__all__ = ["KeypointReading", "box_joints", "read_keypoints"]

_KEPT = 4  # videos in memory: frames of a few come at the same time
_AROUND = 15  # rows before and after, a second at 30 frames, over which a size is usual
_SPAN = 2 * _AROUND + 1
_SURE = 0.3  # score of joints that say where a person is, if two or more have it


@dataclass(frozen=True)
class KeypointReading:
    """What is said of a file of keypoints beside itself.

    Attributes:
        format: who wrote it; auto = as it begins.
        margin: boxes around joints, where the file has none, are wider and higher by this share.
        min_joint_score: joints below count as not given.
        first_frame: number that it gives the first frame, after its own convention.
        tracks: its tracks say who is who.
        skeleton: of its joints, for formats that do not say how many there are.
        joints: joints are wanted, and not boxes alone.
    """

    format: PoseFormat | Literal["auto"] = "auto"
    margin: float = 0.25
    min_joint_score: float = 0.0
    first_frame: int = 0
    tracks: bool = True
    joints: bool = True
    skeleton: Skeleton | None = None


def read_keypoints(
    path: Path, *, videos: Sequence[Path], root: Path, min_score: float = 0.0, said: KeypointReading
) -> GivenPersons:
    """Open a file or folder of keypoints for videos; a video's are read when they are asked for.

    Args:
        path: file or folder.
        videos: that are wanted; one may stand there several times.
        root: folder that the names may be relative to, besides the file's own.
        min_score: persons below do not count.
        said: what is said of the file.

    Raises:
        HeatpoolError: if it cannot be read, names none of `videos`, or its joints are in space.
    """
    asked = said.format
    if asked == "auto" and path.exists() and find_format(path) == "ntu":
        asked = "ntu-2d"  # the same file has both, and a picture has no depth
    poses = open_poses(path, asked, skeleton=said.skeleton)
    distinct = list(dict.fromkeys(videos))
    places = (path if path.is_dir() else path.parent, root)
    names = VideoNames(distinct, places=places, source=path.name)
    if poses.names == ("",) and len(distinct) == 1:
        meant, renamed = {"": 0}, dict[str, int]()
    else:
        meant, others = names.assign(name for name in poses.names if names.may_be(name))
        renamed = dict(others)
    if not meant:
        first = poses.names[0] if poses.names else "no video at all"
        raise HeatpoolError(
            f"expected keypoints for the videos in {path}, got none (its first video: "
            f"{first or 'without a name'})"
        )
    number = {name: at for at, name in enumerate(poses.names)}
    by_video = _PoseVideos(poses, {distinct[at]: number[name] for name, at in meant.items()}, distinct, said)
    unnamed = [each for at, each in enumerate(distinct) if at not in set(meant.values())]
    # That programs leave a video's suffix away is nothing to say.
    called = [
        f"{name} for {distinct[at].name}"
        for name, at in renamed.items()
        if Path(name).name not in (distinct[at].stem, distinct[at].name)
    ]
    found, more = len(distinct) - len(unnamed), len(poses.names) - len(meant)
    joints = f", {poses.skeleton.joints} joints" if said.joints else ""
    return GivenPersons(
        path.name,
        by_video,
        tuple(distinct[at] for at in meant.values()),
        tuple(videos),
        min_score,
        noun="persons",
        kind=poses.kind,
        skeleton=poses.skeleton if said.joints else None,
        tracked=said.tracks,
        wrong=(f"{path.name}: no keypoints for {len(unnamed)} of {len(distinct)} videos, such as "
               f"{unnamed[0].name}",) if unnamed else (),
        notes=(
            f"{path.name}: {poses.kind}{joints}, for {found} of {len(distinct)} videos",
            *((f"{path.name}: other names there: {list_some(called)}",) if called else ()),
            *((f"{path.name}: {more} more videos in it",) if more else ()),
            *(f"{path.name}: {note}" for note in poses.notes),
        ),
    )  # fmt: skip


class _PoseVideos(Mapping[Path, PoseVideo]):
    """Persons of videos with their boxes; a few videos are kept in memory.

    Args:
        poses: the file.
        number: of a video in it.
        videos: all that are wanted, also those that it does not name.
        said: how persons are made of it.
    """

    def __init__(
        self, poses: PoseFile, number: Mapping[Path, int], videos: Sequence[Path], said: KeypointReading
    ) -> None:
        self._poses, self._number, self._videos, self._said = poses, dict(number), tuple(videos), said
        self._kept: OrderedDict[Path, PoseVideo | HeatpoolError] = OrderedDict()

    def __getitem__(self, video: Path) -> PoseVideo:
        if video not in self._kept:
            self._kept[video] = self._read(video)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        found = self._kept[video]
        if isinstance(found, HeatpoolError):
            raise found
        return found

    def __iter__(self) -> Iterator[Path]:
        return iter(self._videos)

    def __len__(self) -> int:
        return len(self._videos)

    def _read(self, video: Path) -> PoseVideo | HeatpoolError:
        if video not in self._number:
            return _nobody(self._poses.skeleton.joints if self._said.joints else 0)
        try:
            return box_joints(self._poses.read(self._number[video]), self._said)
        except HeatpoolError as error:
            return error


def _nobody(joints: int) -> PoseVideo:
    none = np.zeros(0, np.float32)
    return PoseVideo(
        "", np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, joints, 2), np.float32),
        np.zeros((0, joints), np.float32), none, np.zeros((0, 4), np.float32),
    )  # fmt: skip


def box_joints(video: PoseVideo, said: KeypointReading) -> PoseVideo:
    """Return the persons of a video with boxes: the file's where it has them, else around the joints.

    A box around joints is the smallest that holds those with a score of 0.3 or more, or all given ones if
    less than two have it, made wider and higher by the margin, and at least as large as is usual for that
    track in the rows around.

    Raises:
        HeatpoolError: if joints are in space, or nobody's size is known.
    """
    if video.joints.shape[2] != 2:
        raise HeatpoolError(
            f"expected joints in the picture, got joints in space for {video.name or 'the video'}; say the "
            "format that has them in the picture, such as --keypoints-format ntu-2d"
        )
    known = (video.joint_score > 0) & (video.joint_score >= said.min_joint_score)
    given = known & ~np.isnan(video.joints).any(2)
    boxes = _boxes_around(video, given, said.margin)
    boxed = np.isfinite(boxes).all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)
    if given.any() and not boxed.any():
        raise HeatpoolError(
            f"the persons of {video.name or 'the video'} have one joint each and no boxes, so that nobody's "
            "size is known"
        )
    frame = video.frame - said.first_frame
    kept = np.flatnonzero(boxed & (frame >= 0) & (given.any(1) | (not said.joints)))
    joints = video.joints[kept] if said.joints else video.joints[kept, :0]
    return replace(
        video,
        frame=frame[kept],
        track=video.track[kept] if said.tracks else np.full(len(kept), -1, np.int64),
        joints=np.where(given[kept, : joints.shape[1], None], joints, np.nan).astype(np.float32),
        joint_score=np.where(given, video.joint_score, 0)[kept, : joints.shape[1]].astype(np.float32),
        score=video.score[kept],
        box_xyxy_px=boxes[kept].astype(np.float32),
        frames=0 if said.first_frame else video.frames,
    )


def _boxes_around(video: PoseVideo, given: np.ndarray, margin: float) -> np.ndarray:
    """(R, 4) boxes; NaN where there is none."""
    sure = given & (video.joint_score >= _SURE)
    counted = np.where((sure.sum(1) >= 2)[:, None], sure, given)[..., None]
    low = np.where(counted, video.joints, np.inf).min(1, initial=np.inf)
    high = np.where(counted, video.joints, -np.inf).max(1, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        centre, size = (low + high) / 2, (high - low) * (1 + margin)
    size[(given.sum(1) < 2) | ~(size > 0).any(1)] = np.nan
    # Around joints in a line a box is as thin, and grows to the crop's proportions; it must not be empty.
    size = np.fmax(size, size.max(1, keepdims=True) / 100)
    size = np.fmax(size, _usual_sizes(size, video.track))
    boxes = np.concatenate([centre - size / 2, centre + size / 2], 1)
    if video.box_xyxy_px is None:
        return boxes
    told = video.box_xyxy_px
    good = np.isfinite(told).all(1) & (told[:, 2:] > told[:, :2]).all(1)
    return np.where(good[:, None], told, boxes)


def _usual_sizes(size: np.ndarray, track: np.ndarray) -> np.ndarray:
    """(R, 2) medians over the rows of the same track around each one; NaN where nobody's size is known.

    Two hands that pass each other are no smaller for it: without this their crop would be blown up.
    """
    usual = np.full_like(size, np.nan)
    for each in np.unique(track):
        rows = np.flatnonzero(track == each)
        padded = np.pad(size[rows], ((_AROUND, _AROUND), (0, 0)), mode="edge")
        usual[rows] = _median(sliding_window_view(padded, _SPAN, axis=0))
    return np.where(np.isnan(usual), _median(size.T), usual)


def _median(values: np.ndarray) -> np.ndarray:
    """Median over the last axis of what is known; NaN without any."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of nothing, whose median is NaN as it should be
        return np.asarray(np.nanmedian(values, axis=-1))
