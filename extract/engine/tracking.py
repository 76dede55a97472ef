"""Who is who: the persons of a clip's frames in slots that stay with their person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np

from heatpool.extract.records import Detections

__all__ = ["SELECTIONS", "Selection", "select_first", "select_tracked"]

# A track must be seen in this share of the clip's frames to count as a person: shorter ones are
# passers-by and false alarms.
_MIN_SHARE = 0.2

# ultralytics' defaults for BYTETrack (cfg/trackers/bytetrack.yaml), spelled out so that an update of
# that file cannot change anybody's features.
_BYTETRACK = SimpleNamespace(
    track_high_thresh=0.25,
    track_low_thresh=0.1,
    new_track_thresh=0.25,
    track_buffer=30,
    match_thresh=0.8,
    fuse_score=True,
)

JointScores = Callable[[Sequence[tuple[int, int]]], np.ndarray]
"""Persons as (frame, number of the detection) → mean joint score of each, by the pose network."""

Selection = Callable[[Sequence[Detections], int, JointScores], np.ndarray]
"""(detections of each frame, M, joint scores) → (M, frames) int64: the detection in a slot, -1 for none."""


def all_alike(persons: Sequence[tuple[int, int]]) -> np.ndarray:
    """Joint scores where none are known."""
    return np.ones(len(persons))


def select_first(
    detections: Sequence[Detections], persons: int, joint_scores: JointScores = all_alike
) -> np.ndarray:
    """Fill slot m with the m-th most confident person of each frame: the published rule, no tracking."""
    chosen = np.full((persons, len(detections)), -1, np.int64)
    for frame, found in enumerate(detections):
        count = min(persons, len(found))
        chosen[:count, frame] = np.arange(count)
    return chosen


def select_tracked(
    detections: Sequence[Detections], persons: int, joint_scores: JointScores = all_alike
) -> np.ndarray:
    """Follow persons with BYTETrack and give the slots to the main actors.

    A track's weight is the sum over its frames of score times the square root of the box area: long,
    large and confident tracks win. A track that begins about where a chosen one was lost continues it in
    the same slot. Tracks shorter than a fifth of the frames are dropped unless nothing else is there.

    Args:
        detections: persons of each frame, in time order.
        persons: M, slots to fill.

    Returns:
        (M, len(detections)) int64, the detection that fills the slot in a frame, -1 for none.
    """
    chosen = np.full((persons, len(detections)), -1, np.int64)
    # Stitched before they are weighed: an actor who was hidden for a while must not count as two extras.
    tracks = _stitch(_follow(detections))
    tracks.sort(key=lambda track: -track.weight)
    least = _MIN_SHARE * len(detections)
    # A person seen now and then is still better than an empty slot.
    main = [track for track in tracks if len(track.detection) >= least] or tracks[:1]
    for slot, track in enumerate(main[:persons]):
        chosen[slot, list(track.detection)] = list(track.detection.values())
    return chosen


SELECTIONS: dict[str, Selection] = {"tracked": select_tracked, "first": select_first}


@dataclass(eq=False)
class _Track:
    """Detections of one person: frame → number of the detection, with its weight and ends."""

    detection: dict[int, int] = field(default_factory=dict)
    weight: float = 0.0
    first_box: np.ndarray | None = None
    last_box: np.ndarray | None = None

    def add(self, frame: int, number: int, found: Detections) -> None:
        box = found.boxes_xyxy_px[number]
        self.detection[frame] = number
        # The root of the area: a camera twice as near must not make a person four times as important.
        self.weight += float(found.scores[number]) * float(np.prod(box[2:] - box[:2])) ** 0.5
        self.first_box = box if self.first_box is None else self.first_box
        self.last_box = box


class _Boxes:
    """The view of a frame's detections that ultralytics' trackers read."""

    def __init__(self, xyxy: np.ndarray, conf: np.ndarray) -> None:
        self.xyxy, self.conf = xyxy, conf
        self.cls = np.zeros(len(conf), np.float32)

    @property
    def xywh(self) -> np.ndarray:
        centre = (self.xyxy[:, :2] + self.xyxy[:, 2:]) / 2
        return np.concatenate([centre, self.xyxy[:, 2:] - self.xyxy[:, :2]], axis=1)

    def __len__(self) -> int:
        return len(self.conf)

    def __getitem__(self, keep: np.ndarray) -> _Boxes:
        return _Boxes(self.xyxy[keep], self.conf[keep])


def _follow(detections: Sequence[Detections]) -> list[_Track]:
    # Imported here: ultralytics takes over a second to import and most commands never track.
    from ultralytics.trackers.byte_tracker import BYTETracker

    tracker = BYTETracker(_BYTETRACK)  # a fresh one per clip, so that no state crosses clips
    tracks: dict[int, _Track] = {}
    for frame, found in enumerate(detections):
        rows = tracker.update(_Boxes(found.boxes_xyxy_px, found.scores))
        for row in rows:
            # x1, y1, x2, y2, track, score, class, detection: only who is who is taken, the box stays the
            # detector's, since the tracker's is smoothed.
            identity, number = int(row[4]), int(row[7])
            tracks.setdefault(identity, _Track()).add(frame, number, found)
    return list(tracks.values())


def _stitch(tracks: list[_Track]) -> list[_Track]:
    """Join tracks that follow each other in time and begin where the other was lost."""
    joined: list[_Track] = []
    for track in sorted(tracks, key=lambda track: min(track.detection)):
        start = min(track.detection)
        ended = [other for other in joined if max(other.detection) < start and _near(other, track)]
        if not ended:
            joined.append(track)
            continue
        # Of several that fit, the one that was lost last: the shortest gap is the likeliest.
        last = max(ended, key=lambda other: max(other.detection))
        last.detection.update(track.detection)
        last.weight += track.weight
        last.last_box = track.last_box
    return joined


def _near(before: _Track, after: _Track) -> bool:
    """Whether the centres of the boxes at the gap are less than a box size apart and alike in size."""
    assert before.last_box is not None
    assert after.first_box is not None
    one, two = before.last_box, after.first_box
    sizes = one[2:] - one[:2], two[2:] - two[:2]
    apart = np.abs((one[:2] + one[2:]) - (two[:2] + two[2:])) / 2
    alike = 0.5 < float(np.sqrt(np.prod(sizes[0]) / np.prod(sizes[1]))) < 2
    return alike and bool((apart < np.maximum(*sizes)).all())
