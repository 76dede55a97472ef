"""Which persons of a clip fill its slots: those who act. docs/persons.md says why the rule is as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from heatpool.extract.engine.track import Track
from heatpool.extract.engine.tracking import follow_persons
from heatpool.extract.records import Detections

__all__ = ["SELECTIONS", "JointScores", "Selection", "fill_slots", "select_first", "select_tracked"]

# A track must be seen in this share of the clip's frames to count as a person: shorter ones are
# passers-by and false alarms.
_MIN_SHARE = 0.2
_SURE = 0.25  # score that a track's best detection should have
_LOOKED_AT = 3  # tracks per slot whose joints are looked at, the longest, largest and surest ones
_LOOKS = 4  # frames of a track in which they are
# Joint scores of less than this share of the best track's: a car, a coat, a leg at the edge of the picture; a
# person seen from the waist up has two thirds. A share, because networks differ in what their scores mean.
_MIN_JOINT_SHARE = 0.45
_FULL_MOTION = 0.5  # body lengths that double a track's weight; whoever walks through must not get more

JointScores = Callable[[Sequence[tuple[int, int]]], np.ndarray]
"""Asks the pose network: persons as (frame, number of the detection) → (persons,) mean scores of joints."""


def all_alike(persons: Sequence[tuple[int, int]]) -> np.ndarray:
    """Answer where no pose network can be asked."""
    return np.ones(len(persons))


class Selection(Protocol):
    """A rule that says who fills the slots."""

    def __call__(
        self,
        detections: Sequence[Detections],
        persons: int,
        joint_scores: JointScores = all_alike,
        *,
        times_s: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return (M, frames) int64, the detection that fills a slot in a frame, -1 for none."""
        ...


def select_first(
    detections: Sequence[Detections],
    persons: int,
    joint_scores: JointScores = all_alike,
    *,
    times_s: np.ndarray | None = None,
) -> np.ndarray:
    """Fill slot m with the m-th most confident person of each frame: the published rule, no tracking.

    Where fewer are found than there are slots, the others repeat the first; where nobody is, all are empty.
    """
    chosen = np.full((persons, len(detections)), -1, np.int64)
    for frame, found in enumerate(detections):
        if len(found):
            slots = np.arange(persons)
            chosen[:, frame] = np.where(slots < len(found), slots, 0)
    return chosen


def select_tracked(
    detections: Sequence[Detections],
    persons: int,
    joint_scores: JointScores = all_alike,
    *,
    times_s: np.ndarray | None = None,
) -> np.ndarray:
    """Follow the persons of a clip and give the slots to those who act; see `fill_slots`.

    Args:
        detections: persons of each frame, in time order.
        persons: M, slots to fill.
        joint_scores: asked about some persons, at most once.
        times_s: (frames,) rising, in seconds; None = evenly spaced.

    Returns:
        (M, len(detections)) int64, the detection that fills the slot in a frame, -1 for none.
    """
    chosen = np.full((persons, len(detections)), -1, np.int64)
    tracks = follow_persons(detections, times_s)
    # Frames that a file says nothing of, such as those between labels made by hand, count against nobody.
    known = any(each.tracks is not None and (each.tracks >= 0).any() for each in detections)
    frames = sum(map(bool, map(len, detections))) if known else len(detections)
    tracks = fill_slots(tracks, persons, frames, joint_scores=joint_scores)
    for slot, track in enumerate(tracks):
        chosen[slot, track.frames] = track.numbers
    return chosen


SELECTIONS: dict[str, Selection] = {"tracked": select_tracked, "first": select_first}


def fill_slots(
    tracks: Sequence[Track], persons: int, frames: int, *, joint_scores: JointScores
) -> list[Track]:
    """Choose the main actors.

    A track's presence is the sum over its frames of detection score times the square root of the box area;
    its joint score is the median over four frames spread over it. The slots go to the tracks with the largest

        presence x joint score x (1 + motion in half body lengths, at most 1).

    Tracks seen in less than a fifth of the frames do not count, nor those whose joint score is below 45 % of
    the best one's, as long as there is another.

    Args:
        tracks: of a clip.
        persons: M, slots to fill.
        frames: of the clip, in which somebody could have been seen.
        joint_scores: asked about four frames of each of the 3 M tracks of largest presence; not at all when
            there is a single track.

    Returns:
        At most M tracks, the main actor first.
    """
    present = sorted(tracks, key=lambda track: -_presence(track))
    main = [track for track in present if len(track) >= _MIN_SHARE * frames]
    # Weak detections alone are nobody, as long as somebody is surer.
    main = [track for track in main if track.scores.max() >= _SURE] or main
    # A person seen now and then is still better than an empty slot; what is seen once is a false alarm.
    main = main or [track for track in present if len(track) > 1][:1]
    if len(main) < 2:
        return main
    main = main[: _LOOKED_AT * persons]
    scores = _track_scores(main, joint_scores)
    weighed = [
        (_presence(track) * score * (1 + min(track.motion() / _FULL_MOTION, 1)), track)
        for track, score in zip(main, scores, strict=True)
        if score >= _MIN_JOINT_SHARE * max(scores)
    ]
    weighed.sort(key=lambda each: -each[0])
    return [track for _, track in weighed[:persons]]


def _presence(track: Track) -> float:
    sizes_px = track.boxes_xyxy_px[:, 2:] - track.boxes_xyxy_px[:, :2]
    # The root of the area: a camera twice as near must not make a person four times as important.
    return float((track.scores * np.sqrt(sizes_px.prod(1))).sum())


def _track_scores(tracks: Sequence[Track], joint_scores: JointScores) -> list[float]:
    """Return the median joint score of each track over a few of its frames."""
    spread = (np.arange(_LOOKS) + 0.5) / _LOOKS
    looks = []
    for track in tracks:
        at = np.unique((spread * len(track)).astype(int))
        looks.append(list(zip(track.frames[at].tolist(), track.numbers[at].tolist(), strict=True)))
    scores = joint_scores([person for each in looks for person in each])
    of_tracks = np.split(scores, np.cumsum([len(each) for each in looks])[:-1])
    return [float(np.median(each)) for each in of_tracks]
