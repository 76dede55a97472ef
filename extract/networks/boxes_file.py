"""A detector that answers with boxes made beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from heatpool.extract.records import Detections, Frame

__all__ = ["BoxesFile", "BoxesOfVideo"]


class BoxesOfVideo(Protocol):
    """The boxes of one video."""

    @property
    def frames(self) -> np.ndarray:
        """(R,) numbers of their frames in the video, from 0, rising."""
        ...

    @property
    def weak(self) -> int:
        """Boxes that are left out for their scores."""
        ...

    def of_frame(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Return boxes (D, 4) and scores (D,) of a frame, the most certain first."""
        ...


class BoxesFile:
    """Boxes from a table, cut at the edge of the picture; those outside it are left out.

    Args:
        clips: for each `Frame.clip` the boxes of its video.
        source: name of the table, for messages.
    """

    def __init__(self, clips: Sequence[BoxesOfVideo], source: str) -> None:
        self._clips, self._source = clips, source

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the boxes of each frame; where there is none, why."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Frame) -> Detections:
        given = self._clips[frame.clip]
        boxes, scores = given.of_frame(frame.index)
        height, width = frame.rgb.shape[:2]
        cut = boxes.clip(0, np.array([width, height, width, height], np.float32))
        inside = np.flatnonzero((cut[:, 2:] > cut[:, :2]).all(1))
        note = "" if len(inside) else self._why_none(given, len(boxes), f"{width} x {height}")
        return Detections(cut[inside], scores[inside], note)

    def _why_none(self, given: BoxesOfVideo, outside: int, size: str) -> str:
        if outside:
            return f"its boxes in {self._source} lie outside the picture of {size} pixels"
        if len(given.frames):
            span = f"{given.frames[0]} to {given.frames[-1]}"
            return f"its boxes in {self._source} are of other frames, from {span}"
        if given.weak:
            return f"its {given.weak} boxes in {self._source} are below --min-score"
        return f"{self._source} has no box for it"
