"""Detections of one person, frame after frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.extract.records import Detections

__all__ = ["Track"]


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

    def detections(self) -> Iterator[tuple[int, int]]:
        """Yield frame and number of each detection."""
        return zip(self.frames.tolist(), self.numbers.tolist(), strict=True)

    def joined(self, other: Track) -> Track:
        """Return this track with the detections of another one, which lie in other frames."""
        fields = [
            np.concatenate(pair) for pair in zip(vars(self).values(), vars(other).values(), strict=True)
        ]
        order = fields[0].argsort()
        return Track(*(each[order] for each in fields))

    def motion(self) -> float:
        """Return how far the edges of the box moved, in body lengths.

        It is the distance between the 10 % and 90 % quantiles of an edge over time, mean of the four edges,
        over the median of the box's longer side: arms that reach out and steps count, jitter hardly does.
        """
        low, high = np.quantile(self.boxes_xyxy_px, (0.1, 0.9), axis=0)
        sizes_px = self.boxes_xyxy_px[:, 2:] - self.boxes_xyxy_px[:, :2]
        return float((high - low).mean() / np.median(sizes_px.max(1)))
