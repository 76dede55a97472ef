"""Cutting long videos into clips."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby

import numpy as np

from heatpool.extract.datasets.clips import Clip, window_name
from heatpool.extract.datasets.manifest import Manifest
from heatpool.extract.video.reader import probe
from heatpool.pool.errors import HeatpoolError

__all__ = ["cut_windows", "windows"]

_log = logging.getLogger(__name__)


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

    There are none behind the end of a video, whatever the manifest says, nor in a gap of it, where fewer than
    two frames are: a line says how many. A clip that cannot be read, or holds no frame, stays one, and of a
    clip without any good window all stay, so that extraction lists them as failed.
    """
    clips, without = list[Clip](), 0
    # Clips of one video follow each other in a manifest: its packets are read for the first of them.
    for _, of_video in groupby(manifest.clips, key=lambda clip: (clip.path, clip.fps)):
        several = list(of_video)
        times_s, video_end_s = _times(several[0])
        for clip in several:
            end_s = video_end_s if clip.end_s is None else min(clip.end_s, video_end_s)
            if not _count(times_s, clip.start_s, end_s):
                clips.append(clip)
                continue
            spans = list(windows(clip.start_s, end_s, window_s=window_s, stride_s=stride_s))
            good = [span for span in spans if _count(times_s, *span) > 1] or spans
            without += len(spans) - len(good)
            for start, end in good:
                name = window_name(clip.clip_id, start, end)
                clips.append(replace(clip, clip_id=name, start_s=round(start, 6), end_s=round(end, 6)))
    if without:
        _log.warning("left out %d windows in gaps of their videos: fewer than 2 frames in each", without)
    return replace(manifest, clips=tuple(clips))


def _count(times_s: np.ndarray, start_s: float, end_s: float) -> int:
    return int(np.searchsorted(times_s, end_s - 1e-6) - np.searchsorted(times_s, start_s - 1e-6))


def _times(clip: Clip) -> tuple[np.ndarray, float]:
    """Return the times of the frames of a clip's whole video, and its end; no frames if it cannot be read."""
    try:
        info = probe(clip.path, fps=clip.fps)
    except HeatpoolError:
        return np.zeros(0), 0.0
    return info.times_s, info.end_s
