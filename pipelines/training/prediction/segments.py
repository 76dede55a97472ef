"""From the answers of windows that may overlap to segments: what happens from when to when."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from heatpool.pipelines.training.prediction.records import Segment

__all__ = ["SegmentMerger", "Window", "merge_windows"]

Window = tuple[float, float, np.ndarray]
"""Start and end in seconds, and (K,) probabilities of the classes."""

_BRIEF_S = 0.1
_TOUCH_S = 1e-3  # ends of windows are rounded; files have milliseconds


def merge_windows(path: str, windows: Iterable[Window], class_names: Sequence[str]) -> tuple[Segment, ...]:
    """Merge the windows of a video into segments.

    At every moment the probabilities of the windows that cover it are averaged, and the class with the
    highest average counts (of equal ones the first). Moments of one class that follow each other are a
    segment, whose confidence is the average of that class's probability over its time; less than 0.1 s that
    are left at the end go with the class before. Where no window has an answer, there is no segment.

    Args:
        path: of the video.
        windows: with an answer, in any order.
        class_names: K names.
    """
    merger = SegmentMerger(path, class_names)
    done = [each for window in sorted(windows, key=lambda each: each[:2]) for each in merger.add(*window)]
    return (*done, *merger.finish())


class SegmentMerger:
    """Merges windows as they come; keeps those that a later one may overlap and no others.

    Args:
        path: of the video.
        class_names: K names.
    """

    def __init__(self, path: str, class_names: Sequence[str]) -> None:
        self._path, self._class_names = path, class_names
        self._open: list[Window] = []
        self._settled_s = -math.inf
        # The segment that may go on: start, end, class, and its probability times seconds.
        self._last: tuple[float, float, int, float] | None = None

    def add(self, start_s: float, end_s: float, probabilities: np.ndarray) -> list[Segment]:
        """Take a window; return the segments that no later one can change.

        Args:
            start_s: not before the start of the window that came last.
            end_s: after it.
            probabilities: (K,).

        Raises:
            ValueError: if the window starts before the last one, or ends before it starts.
        """
        if not self._settled_s <= start_s < end_s:
            raise ValueError(
                f"expected windows in order, got {start_s} to {end_s} s after {self._settled_s} s"
            )
        done = self._settle(start_s)
        self._open.append((start_s, end_s, probabilities))
        return done

    def finish(self) -> list[Segment]:
        """Return the segments that are left."""
        done = self._settle(math.inf)
        return done if self._last is None else [*done, self._segment(*self._last)]

    def _settle(self, until_s: float) -> list[Segment]:
        """Decide all moments up to `until_s`: every window that covers one of them is known."""
        done: list[Segment] = []
        ends = {end for _, end, _ in self._open}
        edges = sorted({self._settled_s, *(min(end, until_s) for end in ends)}) if ends else []
        for start_s, end_s in pairwise(edges):
            mean = np.mean([share for _, end, share in self._open if end > start_s], axis=0)
            best = int(np.argmax(mean))
            at_end = until_s == math.inf and end_s == edges[-1]
            if self._last and at_end and end_s - start_s < _BRIEF_S and self._touches(start_s):
                best = self._last[2]  # what the end of a video leaves over is no action of its own
            done += self._extend(start_s, end_s, best, float(mean[best]))
        self._open = [window for window in self._open if window[1] > until_s]
        self._settled_s = until_s
        return done

    def _extend(self, start_s: float, end_s: float, label: int, share: float) -> list[Segment]:
        """Lengthen the last segment by a stretch, or begin another; return the one that ended."""
        last = self._last
        if last and last[2] == label and self._touches(start_s):
            self._last = (last[0], end_s, label, last[3] + share * (end_s - last[1]))
            return []
        self._last = (start_s, end_s, label, share * (end_s - start_s))
        return [] if last is None else [self._segment(*last)]

    def _touches(self, start_s: float) -> bool:
        return self._last is not None and start_s - self._last[1] <= _TOUCH_S

    def _segment(self, start_s: float, end_s: float, label: int, weight: float) -> Segment:
        return Segment(self._path, start_s, end_s, self._class_names[label], weight / (end_s - start_s))
