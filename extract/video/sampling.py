"""Which frames of a clip count."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.extract.video.reader import VideoInfo

__all__ = ["Sampling"]


@dataclass(frozen=True)
class Sampling:
    """Frames that stand for a clip before it is resampled to T steps; by default all.

    Attributes:
        frame_stride: take every so many frames.
        sample_fps: take the frame nearest to each tick of this rate by its real timestamp; 0 = off.

    Raises:
        ValueError: if a value is negative, or both are given.
    """

    frame_stride: int = 1
    sample_fps: float = 0.0

    def __post_init__(self) -> None:
        if self.frame_stride < 1 or not (np.isfinite(self.sample_fps) and self.sample_fps >= 0):
            raise ValueError(f"expected frame_stride >= 1 and sample_fps >= 0, got {self}")
        if self.frame_stride > 1 and self.sample_fps:
            raise ValueError("expected frame_stride or sample_fps, got both")

    def frames(self, info: VideoInfo) -> np.ndarray:
        """Return the sorted int64 numbers, within the window of `info`, of the frames that count."""
        if not self.sample_fps:
            return np.arange(0, info.frames, self.frame_stride)
        times_s = info.times_s
        ticks_s = np.arange(times_s[0], times_s[-1] + 1e-9, 1 / self.sample_fps)
        after = np.searchsorted(times_s, ticks_s).clip(1, max(len(times_s) - 1, 1))
        before = after - 1
        nearer = np.where(ticks_s - times_s[before] <= times_s[after] - ticks_s, before, after)
        return np.unique(nearer)
