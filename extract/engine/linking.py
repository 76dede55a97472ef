"""Pieces of tracks put together, forwards and backwards in time, by motion in real time.

A tracker that takes one frame after another loses who is missed at first, who moves far between two
frames that are read, and who is found now and then. Here the whole clip is known: two pieces are one
person's if each lies where the motion of the other leads, and no third piece is as likely. Distances are
in box sizes, times in steps, the median time between two frames that were read. docs/persons.md has the
measurements behind the constants.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.extract.engine.track import Track

__all__ = ["link_tracks"]

_NEAR_STEPS, _NEAR_DETECTIONS = 8.0, 6  # of a piece's end that tell its motion
_KNOWN = 4  # detections from which on motion is known
_DOUBT = (1.0, 0.4, 0.2)  # of the speed of a piece of 1, 2, 3 detections, in shares of the clip's usual speed
_TURN = 1.0  # speed that may change in a step, in shares of it: people stop and turn round
_JITTER = 0.15  # of boxes
_DRIFT, _MOST_DRIFT = 0.06, 0.1  # of people who stay, growing with the root of time
_SIZE = 0.25  # of the logarithm of the size
_FAR = 2.25  # standard deviations beyond which two pieces are two persons
_UNLIKELY = 6.0  # negative log likelihood beyond which a few detections are not tied to anybody
_MARGIN = 1.0  # by how much rivals must be less likely, while there are surer links to make
_LEAST_SHARE = 0.1  # of the frames, in which somebody faster than the others must be found
_FAST, _SLOW = 0.8, 0.05  # bounds of the usual speed; the first where it is not known
_SELDOM = 0.3  # share of the frames in which somebody is found, where it is not known
_BLOCK = 256  # pieces that are compared with all others at once


@dataclass(frozen=True, eq=False)
class _Ends:
    """One end of each of n pieces.

    Attributes:
        time: (n,) in steps.
        centre_px: (n, 2).
        velocity_px: (n, 2), a step; 0 where it is not known.
        doubt: (n,), of the speed, in shares of the clip's usual speed.
        size_px: (n, 2), width and height.
    """

    time: np.ndarray
    centre_px: np.ndarray
    velocity_px: np.ndarray
    doubt: np.ndarray
    size_px: np.ndarray

    @classmethod
    def of(cls, pieces: Sequence[Track], times: np.ndarray, *, last: bool) -> _Ends:
        rows = [_end(piece, times, last=last) for piece in pieces]
        return cls(*(np.array(column, np.float64) for column in zip(*rows, strict=True)))

    def part(self, rows: slice) -> _Ends:
        return _Ends(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class _Habits:
    """What most detections of a clip tell of its people and its detector.

    Attributes:
        speed: in box sizes a step, which nine of ten movements keep to.
        found: share of the frames in which somebody who is there is found.
    """

    speed: float = _FAST
    found: float = _SELDOM


def link_tracks(tracks: Sequence[Track], times_s: np.ndarray) -> list[Track]:
    """Put pieces together that are one person's.

    Args:
        tracks: pieces, single detections among them; no detection is in two.
        times_s: (frames,) of the clip, rising.

    Returns:
        Tracks in the order of their first frames; each detection is in one.
    """
    times = _in_steps(times_s)
    pieces = _link_all(list(tracks), times)
    # Somebody who is faster than the others is left over in pieces: these are tried among themselves.
    left_over = [piece for piece in pieces if len(piece) < _KNOWN]
    tried = _link_all(left_over, times, _Habits())
    fast = [piece for piece in tried if len(piece) >= max(_KNOWN, _LEAST_SHARE * len(times))]
    if fast:
        kept = {pair for piece in fast for pair in piece.detections()}
        pieces = [piece for piece in pieces if kept.isdisjoint(piece.detections())]
        pieces = _link_all([*pieces, *fast], times)
    return sorted(pieces, key=lambda piece: int(piece.frames[0]))


def _link_all(pieces: list[Track], times: np.ndarray, habits: _Habits | None = None) -> list[Track]:
    """Link until nothing is left to link; `habits` are those of the clip where none are given."""
    # What is clear is linked first: longer pieces tell more of what is not.
    for margin in (_MARGIN, 0.0):
        while len(pieces) > 1:
            usual = habits or _habits(pieces, times)
            linked = _fill_gaps(_link(pieces, times, usual, margin=margin), times, margin=margin)
            if len(linked) == len(pieces):
                break
            pieces = linked
    return pieces


def _in_steps(times_s: np.ndarray) -> np.ndarray:
    apart_s = np.diff(times_s)
    if not len(apart_s) or apart_s.min() <= 0:
        return np.arange(len(times_s), dtype=np.float64)
    return np.asarray(times_s / np.median(apart_s))


def _sizes(boxes_xyxy_px: np.ndarray) -> np.ndarray:
    """(..., 2) width and height, of a pixel at least."""
    return np.asarray(np.maximum(boxes_xyxy_px[..., 2:] - boxes_xyxy_px[..., :2], 1.0))


def _end(piece: Track, times: np.ndarray, *, last: bool) -> tuple[object, ...]:
    """Time, centre, velocity, doubt and size of one end of a piece."""
    order = slice(None, None, -1) if last else slice(None)
    at = times[piece.frames[order]]
    boxes = piece.boxes_xyxy_px[order].astype(np.float64)
    near = np.flatnonzero(np.abs(at - at[0]) <= _NEAR_STEPS)[:_NEAR_DETECTIONS]
    centres = (boxes[near, :2] + boxes[near, 2:]) / 2
    size = np.median(_sizes(boxes[near]), axis=0)
    doubt = _DOUBT[len(near) - 1] if len(near) < _KNOWN else 0.0
    if len(near) < 2:
        return at[0], centres[0], np.zeros(2), doubt, size
    apart = at[near] - at[near].mean()
    velocity = (apart[:, None] * centres).sum(0) / (apart**2).sum()
    return at[0], centres.mean(0) + velocity * apart[0], velocity, doubt, size


def _habits(pieces: Sequence[Track], times: np.ndarray) -> _Habits:
    """What is usual in a clip, as far as most of its detections are in pieces whose motion is known."""
    known = [piece for piece in pieces if len(piece) >= _KNOWN]
    if 2 * sum(map(len, known)) < sum(map(len, pieces)):
        return _Habits()
    speeds = []
    for piece in known:
        boxes = piece.boxes_xyxy_px.astype(np.float64)
        moved = np.diff(boxes[:, :2] + boxes[:, 2:], axis=0) / 2 / _scale(_sizes(boxes[1:]))
        speeds.append(np.hypot(*moved.T) / np.diff(times[piece.frames]))
    speed = np.quantile(np.concatenate(speeds), 0.9)
    # Pieces are where people are found often, so that their own share would be too high.
    found = np.bincount(np.concatenate([piece.frames for piece in pieces]), minlength=len(times))
    return _Habits(float(np.clip(speed, _SLOW, _FAST)), min(float(found.mean() / found.max()), 0.95))


def _scale(sizes_px: np.ndarray) -> np.ndarray:
    """What distances are measured in: widths from side to side, up and down the mean of both sizes."""
    return np.stack([sizes_px[..., 0], np.sqrt(sizes_px.prod(-1))], -1)


def _costs(ends: _Ends, starts: _Ends, habits: _Habits) -> np.ndarray:
    """(n, m) negative log likelihood that a piece which ends here goes on there; inf where it does not."""
    steps = starts.time[None] - ends.time[:, None]
    later, steps = steps > 0, np.where(steps > 0, steps, 1.0)
    scale_px = _scale(np.sqrt(ends.size_px[:, None] * starts.size_px[None]))
    apart_px = starts.centre_px[None] - ends.centre_px[:, None]
    larger = np.log(ends.size_px).mean(1)[:, None] - np.log(starts.size_px).mean(1)[None]
    z_squared, wide = (larger / _SIZE) ** 2, np.zeros(steps.shape)
    for side, axis in ((ends, 1), (starts, 0)):  # where one leads, and where the other came from
        velocity_px = np.expand_dims(side.velocity_px, axis)
        off = np.hypot(*np.moveaxis((apart_px - velocity_px * steps[..., None]) / scale_px, -1, 0))
        speed = np.hypot(*np.moveaxis(velocity_px / scale_px, -1, 0))
        changes = np.expand_dims(side.doubt, axis) * habits.speed + _TURN * np.minimum(speed, habits.speed)
        sigma = _JITTER + np.minimum(_DRIFT * np.sqrt(steps), _MOST_DRIFT) + changes * steps
        z_squared += (off / sigma) ** 2 / 2
        wide += np.log(sigma / _JITTER)
    missed = -np.log(1 - habits.found) * (steps - 1)
    known = (ends.doubt == 0)[:, None] & (starts.doubt == 0)[None]
    fits = later & (z_squared <= _FAR**2) & (known | (z_squared / 2 + missed <= _UNLIKELY))
    return np.where(fits, z_squared / 2 + wide + missed, np.inf).astype(np.float32)


def _link(pieces: list[Track], times: np.ndarray, habits: _Habits, *, margin: float) -> list[Track]:
    """Join each piece to the one that goes on where it ends, if both fit each other best, by a margin."""
    ends, starts = (_Ends.of(pieces, times, last=last) for last in (True, False))
    blocks = [slice(first, first + _BLOCK) for first in range(0, len(pieces), _BLOCK)]
    costs = np.concatenate([_costs(ends.part(rows), starts, habits) for rows in blocks])
    together = _share_frames(pieces, len(times))
    next_ones, best = costs.argmin(1), costs.argmin(0)
    joined: dict[int, Track] = {}
    for one in np.argsort(costs.min(1)).tolist():
        other = int(next_ones[one])
        if best[other] != one or not np.isfinite(costs[one, other]) or one in joined or other in joined:
            continue  # what has just been joined tells more of its motion when it is looked at again
        # Only who is there at the same time is a rival: others may be later pieces of the same person.
        rivals = np.concatenate([costs[one, together[other]], costs[together[one], other]])
        if (rivals > costs[one, other] + margin).all():
            joined[one] = joined[other] = pieces[one].joined(pieces[other])
    return [*dict.fromkeys(joined.values()), *(each for at, each in enumerate(pieces) if at not in joined)]


def _share_frames(pieces: Sequence[Track], frames: int) -> np.ndarray:
    """(n, n) bool, whether two pieces have a frame in common, so that they are two persons."""
    present = np.zeros((len(pieces), frames), np.float32)
    for at, piece in enumerate(pieces):
        present[at, piece.frames] = 1
    shared = np.asarray(present @ present.T > 0)
    np.fill_diagonal(shared, False)
    return shared


def _fill_gaps(pieces: list[Track], times: np.ndarray, *, margin: float) -> list[Track]:
    """Put single detections into the gaps of tracks that pass there at their time."""
    singles = [piece for piece in pieces if len(piece) == 1]
    tracks = [piece for piece in pieces if len(piece) > 1]
    if not singles or not tracks:
        return pieces
    frames = np.array([int(single.frames[0]) for single in singles])
    boxes = np.concatenate([single.boxes_xyxy_px for single in singles]).astype(np.float64)
    costs = np.stack([_gap_costs(track, frames, boxes, times) for track in tracks], 1)
    filled: dict[int, list[int]] = {}
    taken = set()
    for row in np.argsort(costs.min(1)).tolist():
        column = int(costs[row].argmin())
        beside = (frames == frames[row]) & (np.arange(len(frames)) != row)
        rivals = np.concatenate([np.delete(costs[row], column), costs[beside, column]])
        free = frames[row] not in frames[filled.get(column, [])]
        if free and np.isfinite(costs[row, column]) and (rivals > costs[row, column] + margin).all():
            filled.setdefault(column, []).append(row)
            taken.add(row)
    for column, rows in filled.items():
        for row in rows:
            tracks[column] = tracks[column].joined(singles[row])
    return [*tracks, *(single for row, single in enumerate(singles) if row not in taken)]


def _gap_costs(track: Track, frames: np.ndarray, boxes: np.ndarray, times: np.ndarray) -> np.ndarray:
    """(n,) negative log likelihood that detections are of a track's person; inf outside its gaps."""
    inside = (frames > track.frames[0]) & (frames < track.frames[-1]) & ~np.isin(frames, track.frames)
    costs = np.full(len(frames), np.inf)
    if not inside.any():
        return costs
    frames, boxes, known = frames[inside], boxes[inside], track.boxes_xyxy_px.astype(np.float64)
    after = np.searchsorted(track.frames, frames)
    at, before_at, after_at = times[frames], times[track.frames[after - 1]], times[track.frames[after]]
    share = ((at - before_at) / (after_at - before_at))[:, None]
    between = known[after - 1] * (1 - share) + known[after] * share
    sizes_px = _sizes(between)
    off = (boxes[:, :2] + boxes[:, 2:] - between[:, :2] - between[:, 2:]) / 2 / _scale(sizes_px)
    speed = (known[after] - known[after - 1])[:, :2] / _scale(sizes_px) / (after_at - before_at)[:, None]
    steps = np.minimum(at - before_at, after_at - at)
    sigma = _JITTER + _DRIFT * np.sqrt(steps) + _TURN / 2 * np.hypot(*speed.T) * steps
    larger = np.log(_sizes(boxes) / sizes_px).mean(1)
    z_squared = (off**2).sum(1) / sigma**2 + (larger / _SIZE) ** 2
    cost = z_squared / 2 + 2 * np.log(sigma / _JITTER)
    costs[inside] = np.where(z_squared <= _FAR**2, cost, np.inf)
    return costs
