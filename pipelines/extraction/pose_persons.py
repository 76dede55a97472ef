"""Who is who among the keypoints of a file, and who gets a person slot: as in extraction (docs/persons.md).

Axis letters: R persons of frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heatpool.extract.engine.slots import fill_slots
from heatpool.extract.engine.track import Track
from heatpool.extract.engine.tracking import follow_persons
from heatpool.extract.records import Detections
from heatpool.pool.exchange.keypoints.records import PoseVideo

__all__ = ["main_persons", "persons_in_order"]

_PER_UNIT = 1000.0  # what takes the place of pixels where coordinates are fractions or metres
_LEAST_SIDE = 1.0  # pixels, of somebody of whom one joint is given
_MOST_ROWS = 100_000  # that are followed: time and memory grow with more


def main_persons(video: PoseVideo, slots: int) -> list[np.ndarray]:
    """Return the rows of each person, at most `slots` of them, the main actor first.

    The file's tracks count where it has them. Those without one are followed; where no frame has two persons,
    all are the same one.

    Raises:
        ValueError: if there are too many to be followed.
    """
    rows = np.flatnonzero(((video.joint_score > 0) & np.isfinite(video.joints).all(-1)).any(1))
    boxes = _boxes(video)
    tracks = [_track(video, boxes, each) for each in _by_track(video, rows[video.track[rows] >= 0])]
    tracks += _followed(video, boxes, rows[video.track[rows] < 0])
    if not tracks:
        return []

    def joint_scores(persons: Sequence[tuple[int, int]]) -> np.ndarray:
        return np.asarray(video.joint_score[[row for _, row in persons]].mean(1))

    seen = len(np.unique(video.frame[rows]))
    return [each.numbers for each in fill_slots(tracks, slots, seen, joint_scores=joint_scores)]


def persons_in_order(video: PoseVideo, slots: int) -> list[np.ndarray]:
    """Return the rows of each track in the file's order where there are slots for all, else `main_persons`.

    For files whose tracks are individuals that somebody chose: each has the same slot in every clip.
    """
    rows = np.flatnonzero(video.track >= 0)
    persons = _by_track(video, rows)
    return persons if len(rows) == len(video) and len(persons) <= slots else main_persons(video, slots)


def _by_track(video: PoseVideo, rows: np.ndarray) -> list[np.ndarray]:
    """Rows of each track, one a frame: the first of those that stand in it twice."""
    groups = [rows[video.track[rows] == each] for each in np.unique(video.track[rows])]
    return [group[np.unique(video.frame[group], return_index=True)[1]] for group in groups]


def _track(video: PoseVideo, boxes: np.ndarray, rows: np.ndarray) -> Track:
    return Track(video.frame[rows], rows, boxes[rows], video.score[rows])


def _followed(video: PoseVideo, boxes: np.ndarray, rows: np.ndarray) -> list[Track]:
    frames, first, counts = np.unique(video.frame[rows], return_index=True, return_counts=True)
    if counts.max(initial=1) == 1:
        return [_track(video, boxes, rows)] if len(rows) else []
    if len(rows) > _MOST_ROWS:
        raise ValueError(
            f"expected at most {_MOST_ROWS:,} persons in all frames of a clip without tracks, got "
            f"{len(rows):,}: cut it by a manifest with start_s and end_s"
        )
    # The surest first, as detectors give them.
    of_frames = [each[np.argsort(-video.score[each], kind="stable")] for each in np.split(rows, first[1:])]
    found = [Detections(boxes[each], video.score[each]) for each in of_frames]
    tracks = []
    for track in follow_persons(found, frames.astype(np.float64)):
        numbers = np.array([of_frames[frame][number] for frame, number in track.detections()])
        tracks.append(_track(video, boxes, numbers))
    return tracks


def _boxes(video: PoseVideo) -> np.ndarray:
    """(R, 4) boxes of the persons: the file's, else around the joints that are given."""
    given = ((video.joint_score > 0) & np.isfinite(video.joints).all(-1))[..., None]
    points = video.joints[..., :2]
    low = np.where(given, points, np.inf).min(1)
    high = np.where(given, points, -np.inf).max(1)
    boxes = np.concatenate([low, high], 1)
    if video.box_xyxy_px is not None:
        told = video.box_xyxy_px
        usable = np.isfinite(told).all(1) & (told[:, 2:] > told[:, :2]).all(1)
        boxes = np.where(usable[:, None], told, boxes)
    if video.in_fractions or video.joints.shape[2] == 3:
        boxes = boxes * _PER_UNIT
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2] + _LEAST_SIDE)
    return boxes.astype(np.float32)
