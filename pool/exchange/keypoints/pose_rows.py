"""Rows of a video as a reader found them: sorted, blank where nothing is given, scores from 0 to 1.

Axis letters: R persons of frames, V joints, D axes of space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton

__all__ = ["PoseReader", "make_skeleton", "note_lines", "pose_video", "track_numbers", "unique_names"]

_MOST_FRAMES = 1 << 24  # 46 hours at 100 frames a second
_MOST_JOINTS = 4096
_MOST_FRACTION = 2.0  # joints of a whole video that reach no farther are no pixels
_MOST_SCORE = 1.01  # half precision and sums round


def pose_video(
    name: str,
    *,
    frame: Sequence[int] | np.ndarray,
    track: Sequence[int] | np.ndarray,
    joints: np.ndarray,
    joint_score: np.ndarray | None,
    score: np.ndarray | None = None,
    box_xyxy_px: np.ndarray | None = None,
    remarks: Counter[str],
    width_px: int = 0,
    height_px: int = 0,
    fps: float = 0.0,
    frames: int = 0,
    first_frame: int = 0,
) -> PoseVideo:
    """Make the record of a video from rows in any order.

    Args:
        name: of the video.
        frame: (R,) number in the video, from 0.
        track: (R,) who it is, below 0 where that is not known.
        joints: (R, V, D); what is not finite is not given. 2-D joints that are fractions become pixels where
            the size of the picture is known.
        joint_score: (R, V), None where the file has none; 0 and NaN: not given.
        score: (R,), None where the file has none; NaN: none for this person.
        box_xyxy_px: (R, 4), None where the file has none.
        remarks: counts what had to be changed.
        width_px: of the picture, 0 where not known.
        height_px: of the picture, likewise.
        fps: frames a second, 0.0 where not known.
        frames: of the video, 0 where not known.
        first_frame: where the file begins in the video.

    Raises:
        ValueError: if frame numbers or coordinates are none.
    """
    frame = np.asarray(frame, np.int64)
    if len(frame) and not 0 <= frame.min() <= frame.max() < _MOST_FRAMES:
        raise ValueError(f"expected frames 0 to {_MOST_FRAMES - 1}, got {frame.min()} to {frame.max()}")
    with np.errstate(over="ignore"):
        joints = np.asarray(joints, np.float32)
        joint_score = np.ones(joints.shape[:2]) if joint_score is None else joint_score
        scores = np.asarray(joint_score, np.float32)
        persons = np.ones(len(frame)) if score is None else np.where(np.isnan(score), 1, score)
        boxes = None if box_xyxy_px is None else np.asarray(box_xyxy_px, np.float32)
    given = np.isfinite(joints).all(-1) & (scores > 0)
    kept = given.any(1)
    remarks["persons without a joint are left out"] += int((~kept).sum())
    remarks["joints are infinite and count as not given"] += int(np.isinf(joints).any(-1).sum())
    rows = np.flatnonzero(kept)[np.argsort(frame[kept], kind="stable")]
    frame, given = frame[rows], given[rows]
    joints = np.where(given[..., None], joints[rows], np.nan).astype(np.float32)
    boxes = None if boxes is None else boxes[rows]
    if joints.shape[2] == 2 and _are_fractions(joints[given]):
        if width_px and height_px:
            size_px = np.array([width_px, height_px], np.float32)
            joints = joints * size_px
            boxes = None if boxes is None else boxes * np.tile(size_px, 2)
        else:
            width_px = height_px = 1
    return PoseVideo(
        name=name,
        frame=frame,
        track=_single_tracks(frame, np.asarray(track, np.int64)[rows], remarks),
        joints=joints,
        joint_score=np.where(given, _bounded(scores[rows], remarks), 0).astype(np.float32),
        score=_bounded(persons[rows], remarks).astype(np.float32),
        box_xyxy_px=boxes,
        width_px=width_px,
        height_px=height_px,
        fps=fps,
        frames=frames if not len(frame) or frames > frame[-1] else 0,
        first_frame=first_frame,
    )


def _bounded(scores: np.ndarray, remarks: Counter[str]) -> np.ndarray:
    remarks["scores above 1 count as 1"] += int((scores > _MOST_SCORE).sum())
    return np.asarray(np.nan_to_num(scores.clip(0, 1)))


def _are_fractions(points: np.ndarray) -> bool:
    """Whether points (n, 2) are fractions of a picture; ValueError for those that start in its middle."""
    if not len(points) or np.abs(points).max() > _MOST_FRACTION or not (points % 1).any():
        return False
    if points.min() < -(_MOST_FRACTION - 1) / 4:
        raise ValueError(
            f"expected joints in pixels or in fractions of the picture from its corner, got {points.min():g} "
            f"to {points.max():g}"
        )
    return True


def _single_tracks(frame: np.ndarray, track: np.ndarray, remarks: Counter[str]) -> np.ndarray:
    """The tracks, or none where one is two persons of a frame."""
    pairs = np.stack([frame, track], 1)[track >= 0]
    if len(np.unique(pairs, axis=0)) < len(pairs):
        remarks["tracks of persons are left out: a frame has one twice"] += len(pairs)
        return np.full(len(track), -1, np.int64)
    return np.asarray(np.maximum(track, -1))


def track_numbers(labels: Sequence[Any]) -> np.ndarray:
    """Numbers (R,) of what a file calls persons: names by their order, -1 for None."""
    if all(label is None or (isinstance(label, int) and label < 1 << 62) for label in labels):
        return np.array([-1 if label is None else max(label, -1) for label in labels], np.int64)
    seen: dict[str, int] = {}
    numbers = [-1 if label is None else seen.setdefault(str(label), len(seen)) for label in labels]
    return np.array(numbers, np.int64)


def unique_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names of videos, those that stand there before with a number behind them."""
    unique: dict[str, None] = {}
    for name in names:
        copies = (f"{name} ({number})" for number in range(2, len(unique) + 3))
        unique[name if name not in unique else next(copy for copy in copies if copy not in unique)] = None
    return tuple(unique)


def make_skeleton(name: str, joint_names: Sequence[str], edges: Iterable[Sequence[int]] = ()) -> Skeleton:
    """The skeleton of joint names and edges, of which each counts once and none joins a joint to itself.

    Raises:
        ValueError: if a name repeats or an edge is none between two of the joints.
    """
    if len(joint_names) > _MOST_JOINTS:
        raise ValueError(f"expected at most {_MOST_JOINTS} joints, got {len(joint_names)}")
    if tuple(joint_names) == COCO17_SKELETON.joint_names:
        return COCO17_SKELETON
    unique: dict[frozenset[int], tuple[int, int]] = {}
    for edge in edges:
        try:
            start, end = (int(joint) for joint in edge)
        except (TypeError, ValueError, OverflowError):
            raise ValueError(f"expected edges as pairs of joints, got {shorten(edge)}") from None
        if start != end:
            unique.setdefault(frozenset((start, end)), (start, end))
    return Skeleton(name, tuple(joint_names), tuple(unique.values()))


class PoseReader:
    """What readers of one file have in common: its path, and remarks that become notes."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._remarks: Counter[str] = Counter()

    @property
    def notes(self) -> tuple[str, ...]:
        """Lines on what was left out or taken for granted."""
        return note_lines(self._remarks)


def note_lines(remarks: Counter[str], *notes: str) -> tuple[str, ...]:
    """Lines for `PoseFile.notes`."""
    return (*filter(None, notes), *(f"{count:,} {what}" for what, count in remarks.items() if count))
