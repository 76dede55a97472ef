"""Who is who: detections of one person, frame after frame, as a track."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from heatpool.extract.engine.linking import link_tracks
from heatpool.extract.engine.track import Track
from heatpool.extract.records import Detections

__all__ = ["follow_persons"]

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

# Share of its own time in which a track must be seen to be left as it is.
_SPARSE = 0.2


def follow_persons(detections: Sequence[Detections], times_s: np.ndarray | None = None) -> list[Track]:
    """Follow the persons of a clip: BYTETrack forwards, then its tracks and what it left over linked.

    Args:
        detections: persons of each frame, in time order. Of whom they say who it is, his track is that.
        times_s: (frames,) rising; None = evenly spaced.

    Returns:
        Tracks, in the order of their first frames; each detection is in one.
    """
    known = _known_tracks(detections)
    if not known:
        return _follow(detections, times_s)
    unknown = [
        np.arange(len(each)) if each.tracks is None else np.flatnonzero(each.tracks < 0)
        for each in detections
    ]
    if any(map(len, unknown)):
        others = [each.pick(numbers) for each, numbers in zip(detections, unknown, strict=True)]
        for track in _follow(others, times_s):
            found = [(frame, int(unknown[frame][number])) for frame, number in track.detections()]
            known.append(Track.of(found, detections))
    return sorted(known, key=lambda track: int(track.frames[0]))


def _known_tracks(detections: Sequence[Detections]) -> list[Track]:
    found: dict[int, list[tuple[int, int]]] = {}
    for frame, each in enumerate(detections):
        for number, track in enumerate(() if each.tracks is None else each.tracks.tolist()):
            if track >= 0:
                found.setdefault(track, []).append((frame, number))
    return [Track.of(pairs, detections) for pairs in found.values()]


def _follow(detections: Sequence[Detections], times_s: np.ndarray | None) -> list[Track]:
    tracks = [piece for track in _continued(_tracks(detections)) for piece in _cut(track)]
    followed = {pair for track in tracks for pair in track.detections()}
    single = [
        Track.of([(frame, number)], detections)
        for frame, each in enumerate(detections)
        for number in range(len(each))
        if (frame, number) not in followed
    ]
    times = np.arange(len(detections), dtype=np.float64) if times_s is None else times_s
    return link_tracks([*tracks, *single], times)


def _continued(tracks: Sequence[Track]) -> list[Track]:
    """Join a track that begins about where another one was lost to that one, after any time.

    An actor who was hidden for a while must not count as two.
    """
    joined: list[Track] = []
    for track in tracks:
        ended = [at for at, other in enumerate(joined) if _continues(other, track)]
        if ended:
            # Of several that fit, the one that was lost last: the shortest gap is the likeliest.
            at = max(ended, key=lambda at: joined[at].frames[-1])
            joined[at] = joined[at].joined(track)
        else:
            joined.append(track)
    return joined


def _cut(track: Track) -> list[Track]:
    """Cut a track that is hardly there at its long gaps: whoever came back there is as likely another one."""
    if len(track) >= _SPARSE * (track.frames[-1] - track.frames[0] + 1):
        return [track]
    gaps = np.flatnonzero(np.diff(track.frames) > 1 / _SPARSE) + 1
    fields = zip(*(np.split(values, gaps) for values in vars(track).values()), strict=True)
    return [Track(*each) for each in fields]


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
