"""Frames as YOLO networks read them: scaled, padded, and what they predict mapped back to frame pixels."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from heatpool.extract.records import Detections

__all__ = ["Letterbox", "Letterboxed", "letterbox"]


@dataclass(frozen=True)
class Letterbox:
    """How a frame lies in the network's input.

    Attributes:
        scale_xy: input pixels per frame pixel. The two differ a little: each side is rounded to whole pixels.
        pad_px: padding at the left and at the top, input pixels.
        size_px: width and height of the frame.
    """

    scale_xy: tuple[float, float]
    pad_px: tuple[int, int]
    size_px: tuple[int, int]

    def to_frame(self, points_xy_px: np.ndarray) -> np.ndarray:
        """Map points (..., 2) from input pixels to frame pixels, inside the frame, float32."""
        frame = (points_xy_px - np.array(self.pad_px)) / np.array(self.scale_xy)
        return np.asarray(frame.clip(0, self.size_px), np.float32)

    def to_input(self, points_xy_px: np.ndarray) -> np.ndarray:
        """Map points (..., 2) from frame pixels to input pixels, float32."""
        return np.asarray(points_xy_px * np.array(self.scale_xy) + np.array(self.pad_px), np.float32)

    def detections(self, rows: np.ndarray) -> tuple[Detections, np.ndarray]:
        """Map network rows to frame pixels, boxes clipped to the frame.

        Args:
            rows: (D, 5 or more) float: x1, y1, x2, y2 in input pixels, score, …

        Returns:
            the detections, best first, and for each the row it came from. Slivers under a pixel are dropped.
        """
        boxes = self.to_frame(rows[:, :4].reshape(-1, 2, 2)).reshape(-1, 4)
        kept = np.flatnonzero((boxes[:, 2:] - boxes[:, :2] > 1).all(1))
        order = kept[np.argsort(-rows[kept, 4], kind="stable")]
        return Detections(boxes[order], rows[order, 4].astype(np.float32)), order


Letterboxed = tuple[np.ndarray, Letterbox]
"""The input of a network, (h, w, 3) uint8, and how the frame lies in it."""


def letterbox(image: np.ndarray, input_hw_px: tuple[int, int], *, stride: int | None = None) -> Letterboxed:
    """Scale an image to fit into the network's input and pad it with grey on both sides.

    Args:
        image: (H, W, 3) uint8.
        input_hw_px: height and width that it must fit into.
        stride: pad only to multiples of this, where the network takes inputs of several sizes; None to pad to
            `input_hw_px`.

    Source: `LetterBox` of ultralytics, in `YOLO.predict` with `auto` where there is a stride.
    """
    height, width = image.shape[:2]
    scale = min(input_hw_px[0] / height, input_hw_px[1] / width)
    new_height, new_width = max(round(height * scale), 1), max(round(width * scale), 1)
    small = cv2.resize(image, (new_width, new_height), interpolation=cv2.INTER_LINEAR)
    if stride is None:
        pad_height, pad_width = input_hw_px[0] - new_height, input_hw_px[1] - new_width
    else:
        pad_height, pad_width = -new_height % stride, -new_width % stride
    top, left = pad_height // 2, pad_width // 2
    border = (top, pad_height - top, left, pad_width - left)
    boxed = cv2.copyMakeBorder(small, *border, cv2.BORDER_CONSTANT, value=(114, 114, 114))
    return boxed, Letterbox((new_width / width, new_height / height), (left, top), (width, height))
