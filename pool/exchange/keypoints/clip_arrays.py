"""From the rows of a video to the arrays of a clip: which part, which persons, T steps.

Axis letters: R persons of frames, M persons, T steps, V joints, D axes of space.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np

from heatpool.pool.exchange.clip_store import ClipPart, part_frames
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.resample import ResamplePlan, place_missing

__all__ = ["ChoosePersons", "PersonArrays", "clip_arrays", "cut_part", "without_stride"]

ChoosePersons = Callable[[PoseVideo, int], Sequence[np.ndarray]]
"""Says who is in a clip: its rows and M → the rows of each person, frames rising, at most M of them."""

_STRIDE_FRAMES = 8  # from which on it is no chance that all numbers are multiples
_OUTSIDE = 0.5  # share of the joints outside a picture whose size must be another one


@dataclass(frozen=True, eq=False)
class PersonArrays:
    """Arrays of a clip's persons.

    Attributes:
        keypoints: (M, T, V, 3) float32, x, y in [-1, 1] over the picture and a score, or x, y, z.
        boxes: (M, T, 4) float32 xyxy in fractions of the picture, zero where the file has none.
        mask: (M, T) bool.
        time_s: (T,) float32 from the start of the video; zero where the frame rate is not known.
    """

    keypoints: np.ndarray
    boxes: np.ndarray
    mask: np.ndarray
    time_s: np.ndarray


def without_stride(video: PoseVideo) -> tuple[PoseVideo, int]:
    """Return the video of those frames that were looked at, if that was every k-th only, and k.

    Programs that look at every fifth frame number these 0, 5, 10, …: the others do not lack their persons.
    """
    frames = np.unique(video.frame)
    stride = int(np.gcd.reduce(np.diff(frames))) if len(frames) >= _STRIDE_FRAMES else 1
    if stride < 2:
        return video, 1
    kept = -(-max(video.frames, int(frames[-1]) + 1) // stride)
    first = video.first_frame // stride
    return replace(
        video, frame=video.frame // stride, fps=video.fps / stride, frames=kept, first_frame=first
    ), stride


def cut_part(video: PoseVideo, part: ClipPart) -> tuple[PoseVideo, int]:
    """Return a part of a video, its frames from 0 on, and the number of its first frame in the video.

    Raises:
        ValueError: if times are given and the frame rate is not known, or no frame is between them.
    """
    frames = video.frames
    if not frames:  # the file may end before the video does
        frames = max(int(video.frame[-1]) + 1 if len(video) else 1, ceil((part.end_s or 0) * video.fps))
    first, stop = part_frames(part, frames, video.fps)
    first = max(first, min(video.first_frame, stop - 1))
    low, high = np.searchsorted(video.frame, [first, stop])
    rows = slice(low, high)
    boxes = video.box_xyxy_px
    return replace(
        video,
        frame=video.frame[rows] - first,
        track=video.track[rows],
        joints=video.joints[rows],
        joint_score=video.joint_score[rows],
        score=video.score[rows],
        box_xyxy_px=None if boxes is None else boxes[rows],
        frames=stop - first,
        first_frame=0,
    ), first


def clip_arrays(
    video: PoseVideo, persons: Sequence[np.ndarray], *, slots: int, steps: int, first: int
) -> PersonArrays:
    """Arrays of the persons of a clip, resampled from its frames to T steps.

    A joint that is not given in some frame of a person is put where it would be between those before and
    after, with score 0; one that is in none, in the middle of the others.

    Args:
        video: the clip's part, its frames from 0.
        persons: rows of each person, at most `slots`.
        slots: M.
        steps: T.
        first: number of its first frame in the whole video.

    Raises:
        ValueError: if most joints lie outside of the picture.
    """
    spatial = video.joints.shape[2] == 3
    plan = ResamplePlan.linear(video.frames, steps)
    joints = video.joints.shape[1]
    values = np.zeros((slots, steps, joints, 3), np.float32)
    boxes, mask = np.zeros((slots, steps, 4), np.float32), np.zeros((slots, steps), bool)
    size_px = np.array([video.width_px, video.height_px], np.float32)
    for slot, rows in enumerate(persons):
        given = (video.joint_score[rows] > 0) & np.isfinite(video.joints[rows]).all(-1)
        rows, given = rows[given.any(1)], given[given.any(1)]
        points = place_missing(video.joints[rows], given, video.frame[rows])
        if not spatial:
            _check_inside(points[given] / size_px, video)
            scores = np.where(given, video.joint_score[rows], 0)
            points = np.concatenate([points * (2 / size_px) - 1, scores[..., None]], -1)
        values[slot], mask[slot] = _resampled(plan, points, video.frame[rows])
        if video.box_xyxy_px is not None and not spatial:
            known = np.nan_to_num(video.box_xyxy_px[rows]) / np.tile(size_px, 2)
            boxes[slot], _ = _resampled(plan, known.astype(np.float32), video.frame[rows])
    position = plan.lower + plan.weight + first
    time_s = position / video.fps if video.fps else np.zeros(steps)
    return PersonArrays(values, boxes, mask, time_s.astype(np.float32))


def _check_inside(points: np.ndarray, video: PoseVideo) -> None:
    outside = ((points < 0) | (points > 1)).any(-1)
    if len(points) and outside.mean() > _OUTSIDE:
        x, y = points.max(0) * (video.width_px, video.height_px)
        raise ValueError(
            f"expected joints in a picture of {video.width_px} x {video.height_px}, got "
            f"{outside.mean():.0%} of them outside, up to x = {x:.4g}, y = {y:.4g}"
        )


def _resampled(plan: ResamplePlan, values: np.ndarray, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (T, ...) values and the (T,) mask of a person who is in some of the frames."""
    wanted = plan.frames
    read = np.isin(frames, wanted)
    at = np.searchsorted(wanted, frames[read])
    dense, seen = np.zeros((len(wanted), *values.shape[1:]), np.float32), np.zeros(len(wanted), bool)
    dense[at], seen[at] = values[read], True
    return plan.apply_seen(dense, seen), plan.seen_steps(seen)
