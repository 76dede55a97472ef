"""Frames as YOLO networks read them: scaled, padded, and their rows mapped back to frame pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heatpool.extract.records import Detections

__all__ = ["Letterbox", "letterbox"]


@dataclass(frozen=True)
class Letterbox:
    """How a frame lies in the network's input.

    Attributes:
        scale: input pixels per frame pixel.
        pad_px: padding at the left and at the top, input pixels.
        size_px: width and height of the frame.
    """

    scale: float
    pad_px: tuple[int, int]
    size_px: tuple[int, int]

    def detections(self, rows: np.ndarray) -> tuple[Detections, np.ndarray]:
        """Map network rows to frame pixels, boxes clipped to the frame.

        Args:
            rows: (D, 5 or more) float: x1, y1, x2, y2 in input pixels, score, …

        Returns:
            the detections, best first, and for each the row it came from. Slivers under a pixel are dropped.
        """
        boxes = (rows[:, :4] - [*self.pad_px, *self.pad_px]) / self.scale
        boxes = boxes.clip(0, [*self.size_px, *self.size_px]).astype(np.float32)
        kept = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] > 1).all(1))
        order = kept[np.argsort(-rows[kept, 4], kind="stable")]
        return Detections(boxes[order], rows[order, 4].astype(np.float32)), order


def letterbox(image: np.ndarray, longer_px: int) -> tuple[np.ndarray, Letterbox]:
    """Scale an image (H, W, 3) uint8 to a longer side and pad it with grey to multiples of 32."""
    height, width = image.shape[:2]
    scale = longer_px / max(height, width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    small = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    pad_height, pad_width = -new_height % 32, -new_width % 32
    top, left = pad_height // 2, pad_width // 2
    border = (top, pad_height - top, left, pad_width - left)
    boxed = cv2.copyMakeBorder(small, *border, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    return boxed, Letterbox(scale, (left, top), (width, height))
