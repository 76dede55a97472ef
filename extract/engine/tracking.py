"""Who is who: detections of one person, frame after frame, as a track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from heatpool.extract.records import Detections

__all__ = ["Track", "follow_persons"]

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

# A track continues another one that was lost nearer than this, in box sizes: beyond half a box it is as
# likely the person beside.
_MOST_APART = 0.5


@dataclass(frozen=True, eq=False)
class Track:
    """Detections of one person.

    Attributes:
        frames: (n,) int64, rising.
        numbers: (n,) int64, of the detection in each of these frames.
        boxes_xyxy_px: (n, 4) float32.
        scores: (n,) float32, of the detections.
    """

    frames: np.ndarray
    numbers: np.ndarray
    boxes_xyxy_px: np.ndarray
    scores: np.ndarray

    @classmethod
    def of(cls, found: Sequence[tuple[int, int]], detections: Sequence[Detections]) -> Track:
        """Return the track of (frame, number of the detection), frames rising."""
        frames, numbers = np.array(found, np.int64).T
        boxes = [detections[frame].boxes_xyxy_px[number] for frame, number in found]
        scores = [detections[frame].scores[number] for frame, number in found]
        return cls(frames, numbers, np.array(boxes), np.array(scores))

    def __len__(self) -> int:
        return len(self.frames)

    def joined(self, later: Track) -> Track:
        """Return this track, continued by a later one."""
        pairs = zip(vars(self).values(), vars(later).values(), strict=True)
        return Track(*(np.concatenate(pair) for pair in pairs))

    def motion(self) -> float:
        """Return how far the edges of the box moved, in body lengths.

        It is the distance between the 10 % and 90 % quantiles of an edge over time, mean of the four edges,
        over the median of the box's longer side: arms that reach out and steps count, jitter hardly does.
        """
        low, high = np.quantile(self.boxes_xyxy_px, (0.1, 0.9), axis=0)
        sizes_px = self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2]
        return float((high - low).mean() / np.median(sizes_px.max(1)))


def follow_persons(detections: Sequence[Detections]) -> list[Track]:
    """Follow the persons of a clip with BYTETrack.

    A track that begins about where another one was lost continues it, after any time: an actor who was hidden
    for a while must not count as two.

    Args:
        detections: persons of each frame, in time order.

    Returns:
        Tracks, in the order of their first frames.
    """
    joined: list[Track] = []
    for track in _tracks(detections):
        ended = [at for at, other in enumerate(joined) if _continues(other, track)]
        if ended:
            # Of several that fit, the one that was lost last: the shortest gap is the likeliest.
            at = max(ended, key=lambda at: joined[at].frames[-1])
            joined[at] = joined[at].joined(track)
        else:
            joined.append(track)
    return joined


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


def _tracks(detections: Sequence[Detections]) -> list[Track]:
    """Return BYTETrack's tracks, in the order of their first frames."""
    # Imported here: ultralytics takes over a second to import and most commands never track.
    from ultralytics.trackers.byte_tracker import BYTETracker

    tracker = BYTETracker(_BYTETRACK)  # a fresh one per clip, so that no state crosses clips
    found: dict[int, list[tuple[int, int]]] = {}
    for frame, each in enumerate(detections):
        for row in tracker.update(_Boxes(each.boxes_xyxy_px, each.scores)):
            # x1, y1, x2, y2, track, score, class, detection: only who is who is taken, the box stays the
            # detector's, since the tracker's is smoothed.
            found.setdefault(int(row[4]), []).append((frame, int(row[7])))
    return sorted((Track.of(each, detections) for each in found.values()), key=lambda track: track.frames[0])


def _continues(lost: Track, track: Track) -> bool:
    """Whether a track begins after another one ended, near there, and alike in size."""
    before, after = lost.boxes_xyxy_px[-1], track.boxes_xyxy_px[0]
    sizes = before[2:] - before[:2], after[2:] - after[:2]
    apart = np.abs((before[:2] + before[2:]) - (after[:2] + after[2:])) / 2
    alike = 0.5 < float(np.sqrt(np.prod(sizes[0]) / np.prod(sizes[1]))) < 2
    near = bool((apart < _MOST_APART * np.maximum(*sizes)).all())
    return bool(lost.frames[-1] < track.frames[0]) and alike and near
