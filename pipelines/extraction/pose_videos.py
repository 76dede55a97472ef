"""What the videos of a manifest say of themselves, for keypoints whose file does not."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.clip_store import ClipPart
from heatpool.pool.exchange.keypoints.store import FindVideo, VideoFacts

__all__ = ["video_finder"]

_log = logging.getLogger(__name__)


def video_finder(parts: Sequence[ClipPart], paths: Sequence[str], root: Path) -> FindVideo:
    """Return what looks at the video of a place in a file of keypoints, if it lies where the manifest says.

    Args:
        parts: of the clips.
        paths: of the clips' videos, relative to `root` or absolute.
        root: folder of the manifest.
    """
    found = {part.video: root / path for part, path in zip(parts, paths, strict=True) if part.video >= 0}

    def find(number: int) -> VideoFacts | None:
        path = found.get(number)
        if path is None or not path.is_file():
            return None
        try:
            info = probe(path)
            frame = next(iter_frames(path, np.zeros(1, np.int64), info=info))
        except HeatpoolError as error:
            _log.warning("%s tells nothing of its keypoints: %s", path, error)
            return None
        height, width = frame.rgb.shape[:2]
        return VideoFacts(width, height, info.fps, info.frames)

    return find
