"""Which frames of a clip count, and how a long video is cut into clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.video.reader import VideoInfo, probe
from heatpool.pool.errors import HeatpoolError

__all__ = ["Sampling", "cut_windows", "windows"]


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


def windows(
    start_s: float, end_s: float, *, window_s: float, stride_s: float
) -> Iterator[tuple[float, float]]:
    """Cut a time span into windows; the last one ends at `end_s` and is as long as the others.

    A span shorter than a window is one window.

    Yields:
        (start, end) in seconds.
    """
    last = max(end_s - window_s, start_s)
    count = int(np.ceil((last - start_s) / stride_s - 1e-9)) + 1
    for number in range(count):
        start = min(start_s + number * stride_s, last)
        yield start, min(start + window_s, end_s)


def cut_windows(manifest: Manifest, *, window_s: float, stride_s: float) -> Manifest:
    """Replace each clip by windows of it, named `clip@start-end` in seconds; labels and splits go along.

    A video that cannot be read stays one clip, so that extraction lists it as failed.
    """
    clips: list[Clip] = []
    for clip in manifest.clips:
        try:
            info = probe(clip.path, start_s=clip.start_s, end_s=clip.end_s)
        except HeatpoolError:
            clips.append(clip)
            continue
        end_s = clip.end_s if clip.end_s is not None else float(info.times_s[-1]) + 1 / (info.fps or 25.0)
        for start, end in windows(clip.start_s, end_s, window_s=window_s, stride_s=stride_s):
            name = f"{clip.clip_id}@{start:.2f}-{end:.2f}"
            clips.append(replace(clip, clip_id=name, start_s=round(start, 6), end_s=round(end, 6)))
    return replace(manifest, clips=tuple(clips))
