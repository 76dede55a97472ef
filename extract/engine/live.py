"""Frames that arrive one by one, as windows: each is answered as soon as its last frame is there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.extract.engine.batch_size import Memory
from heatpool.extract.engine.clip_state import Outcome, SeenFrame
from heatpool.extract.engine.engine import Engine, EngineOptions
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.records import Frame
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.video.clip_events import ClipJob
from heatpool.extract.video.reader import VideoInfo
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.resample import ResamplePlan

__all__ = ["LiveWindow", "extract_live"]

_SAME_S = 1e-6  # stamps that differ by less are the same
_NO_PIXELS = np.zeros((0, 0, 3), np.uint8)
_JOB = ClipJob(0, Path())  # a window of a stream has no file


@dataclass(frozen=True, eq=False)
class LiveWindow:
    """A window of a stream, answered.

    Attributes:
        start_s: start of the window, on the clock of the frames.
        end_s: its end; for the last one of a stream that ends, when it ended.
        outcome: features, or why there are none.
    """

    start_s: float
    end_s: float
    outcome: Outcome


def extract_live(
    frames: Iterable[tuple[float, np.ndarray]],
    options: EngineOptions,
    *,
    estimator: PoseEstimator,
    window_s: float,
    stride_s: float,
    rgb: RgbEncoder | None = None,
) -> Iterator[LiveWindow]:
    """Yield the windows of a stream, each as soon as it is complete; frames they share are posed once.

    The first window starts with the first frame. When the stream ends, the last one ends with it and is as
    long as the others, if the stream is: the windows are those of a file. Windows without a frame, in a gap,
    are left out. `options.sampling` counts on the stream as a whole. Memory holds what is known of one
    window's frames; with `rgb` also their pixels.

    Args:
        frames: (time in seconds, rising; (H, W, 3) uint8 RGB of one size), as they come.
        options: see `EngineOptions`; threads and the time a clip may take do not apply.
        estimator: detects persons and answers for the chosen ones.
        window_s: length of a window.
        stride_s: from the start of a window to that of the next.
        rgb: encodes the chosen persons' crops; None for features without RGB.

    Raises:
        HeatpoolError: if times do not rise or the size changes.
    """
    if not (window_s > 0 and stride_s > 0):
        raise ValueError(f"expected window_s and stride_s > 0, got {window_s} and {stride_s}")
    with Engine(options, estimator, rgb, Memory()) as engine:
        stream = _Stream(
            engine,
            estimator,
            steps=options.steps,
            keeps_pixels=rgb is not None,
            window_s=window_s,
            stride_s=stride_s,
        )
        for time_s, pixels in _sampled(frames, options.sampling):
            yield from stream.complete(time_s)
            stream.take(time_s, pixels)
        yield from stream.last()


def _sampled(
    frames: Iterable[tuple[float, np.ndarray]], sampling: Sampling
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield the frames that count: every so many, or the first at or after each tick."""
    first_s = tick_s = -np.inf
    for number, (time_s, pixels) in enumerate(frames):
        if sampling.sample_fps:
            if time_s < tick_s - _SAME_S:
                continue
            first_s = time_s if number == 0 else first_s
            ticks = np.floor((time_s - first_s + _SAME_S) * sampling.sample_fps)
            tick_s = first_s + (ticks + 1) / sampling.sample_fps
        elif number % sampling.frame_stride:
            continue
        yield time_s, pixels


class _Stream:
    """The frames that a window may still read, and the next window."""

    def __init__(
        self,
        engine: Engine,
        estimator: PoseEstimator,
        *,
        steps: int,
        keeps_pixels: bool,
        window_s: float,
        stride_s: float,
    ) -> None:
        self._engine, self._prepare = engine, estimator.prepare
        self._steps, self._keeps_pixels = steps, keeps_pixels
        self._window_s, self._stride_s = window_s, stride_s
        self._held: deque[tuple[SeenFrame, np.ndarray]] = deque()
        self._number = 0  # of frames
        self._first_s = self._end_s = -np.inf  # of the stream's first frame, of the last window
        self._windows = 0  # complete, or left out

    def take(self, time_s: float, pixels: np.ndarray) -> None:
        """Take the next frame, and let go of those that are a window older."""
        if self._held:
            last = self._held[-1][0]
            size_px = (pixels.shape[1], pixels.shape[0])
            if time_s <= last.time_s or size_px != last.size_px:
                raise HeatpoolError(
                    f"expected frames of {last.size_px} pixels, later than {last.time_s:.3f} s, "
                    f"got one of {size_px} at {time_s:.3f} s"
                )
        else:
            self._first_s = time_s
        while self._held and self._held[0][0].time_s < time_s - self._window_s:
            self._held.popleft()
        frame = Frame(0, self._number, time_s, pixels)
        seen = self._engine.take(frame, self._prepare(frame), ())
        self._held.append((seen, pixels if self._keeps_pixels else _NO_PIXELS))
        self._number += 1

    def complete(self, time_s: float) -> Iterator[LiveWindow]:
        """Yield the windows that end by this time."""
        while self._held and (start_s := self._start_s()) + self._window_s <= time_s + _SAME_S:
            self._windows += 1
            if self._held[-1][0].time_s >= start_s - _SAME_S:
                yield self._window(start_s, start_s + self._window_s)
            else:  # a gap, perhaps of hours: on to the first window that this frame lies in
                ended = (time_s + _SAME_S - self._window_s - self._first_s) // self._stride_s + 1
                self._windows = max(self._windows, int(ended))

    def last(self) -> Iterator[LiveWindow]:
        """Yield the windows that end with the stream."""
        if not self._held:
            return
        times_s = [seen.time_s for seen, _ in self._held]
        frame_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1) if len(times_s) > 1 else 1 / 25
        end_s = times_s[-1] + frame_s
        yield from self.complete(end_s)
        if end_s > self._end_s + _SAME_S:
            yield self._window(max(end_s - self._window_s, self._first_s), end_s)

    def _start_s(self) -> float:
        return self._first_s + self._windows * self._stride_s

    def _window(self, start_s: float, end_s: float) -> LiveWindow:
        self._end_s = end_s
        inside = [each for each in self._held if start_s - _SAME_S <= each[0].time_s < end_s - _SAME_S]
        return LiveWindow(start_s, end_s, self._answer(inside))

    def _answer(self, inside: Sequence[tuple[SeenFrame, np.ndarray]]) -> Outcome:
        if len(inside) < 2:
            return Outcome.failed(f"expected at least 2 frames in a window, got {len(inside)}")
        times_s = np.array([seen.time_s for seen, _ in inside])
        fps = (len(inside) - 1) / (times_s[-1] - times_s[0])
        info = VideoInfo(0, len(inside), 0, len(inside), fps, *inside[0][0].size_px, "", times_s)
        state = self._engine.begin(0, _JOB, info, ResamplePlan.linear(len(inside), self._steps))
        for place in state.plan.frames:
            state.take(*inside[place])
        self._engine.end(state)
        ((_, outcome),) = self._engine.flush()
        return outcome
