"""The one way to draw on a frame: a part of it, scaled, with persons, their joints and their heatmaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from heatpool.pipelines.drawing.overlay import blend_heatmap, draw_persons
from heatpool.pool.skeleton import Skeleton

__all__ = ["Heatmap", "PersonsInView", "View", "scaled_size"]

Heatmap = tuple[np.ndarray, np.ndarray]
"""A map (h, w) in [0, 1], and (2, 3) that leads from frame pixels to its cells."""


@dataclass(frozen=True, eq=False)
class PersonsInView:
    """The D persons of one frame, in pixels of the frame.

    Attributes:
        slots: person slots, which choose the colours and are written on the boxes, from 1 on.
        boxes_xyxy_px: (D, 4).
        joints_xy_px: (D, V, 2).
        scores: (D, V) in [0, 1].
        skeleton: which joints they are; None for COCO's, where there are 17, and unnamed ones.
    """

    slots: Sequence[int]
    boxes_xyxy_px: np.ndarray
    joints_xy_px: np.ndarray
    scores: np.ndarray
    skeleton: Skeleton | None = None

    @classmethod
    def nobody(cls, joints: int) -> PersonsInView:
        """Return no persons of V joints."""
        return cls((), np.zeros((0, 4)), np.zeros((0, joints, 2)), np.zeros((0, joints), np.float32))


@dataclass(frozen=True)
class View:
    """The part of a frame that is shown.

    Attributes:
        left_px: first column.
        top_px: first row.
        width_px: columns.
        height_px: rows.
    """

    left_px: int
    top_px: int
    width_px: int
    height_px: int

    @classmethod
    def whole(cls, size_px: tuple[int, int]) -> View:
        """Return the whole of a frame of this width and height."""
        return cls(0, 0, *size_px)

    @classmethod
    def around(cls, boxes_xyxy_px: np.ndarray, *, size_px: tuple[int, int], least: float = 0.3) -> View:
        """Return the smallest view around (B, 4) boxes with a margin, in the frame's own aspect.

        Args:
            boxes_xyxy_px: in pixels of the frame; the whole frame where there is none.
            size_px: width and height of the frame.
            least: share of the frame's sides that the view has at least.
        """
        if not len(boxes_xyxy_px):
            return cls.whole(size_px)
        low, high = boxes_xyxy_px[:, :2].min(0), boxes_xyxy_px[:, 2:].max(0)
        size = np.array(size_px)
        share = float(np.clip(((high - low) * 1.3 / size).max(), least, 1.0))
        wide, tall = np.round(size * share).astype(int).tolist()
        left, top = np.round((low + high) / 2 - [wide / 2, tall / 2]).astype(int).tolist()
        return cls(min(max(left, 0), size_px[0] - wide), min(max(top, 0), size_px[1] - tall), wide, tall)

    def draw(
        self,
        rgb: np.ndarray,
        persons: PersonsInView,
        *,
        size_px: tuple[int, int],
        heatmaps: Sequence[Heatmap] = (),
    ) -> np.ndarray:
        """Cut the view out of a frame, scale it and draw persons on it, heatmaps below joints.

        Args:
            rgb: (H, W, 3) uint8 frame.
            persons: to draw.
            size_px: width and height of the picture.
            heatmaps: to lay over the frame.

        Returns:
            (height, width, 3) uint8.
        """
        scale = np.array(size_px) / (self.width_px, self.height_px)
        corner = np.array([self.left_px, self.top_px])
        cut = rgb[self.top_px : self.top_px + self.height_px, self.left_px : self.left_px + self.width_px]
        smaller = scale[0] < 1
        picture = cv2.resize(cut, size_px, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        # Pixel centres are integers, so edges lie half a pixel outside them.
        to_frame = np.diag([*(1 / scale), 1.0])
        to_frame[:2, 2] = corner + 0.5 / scale - 0.5
        for heatmap, to_cells in heatmaps:
            picture = blend_heatmap(picture, heatmap, to_cells @ to_frame)
        skeleton = persons.skeleton or Skeleton.of("coco17", (), (), joints=persons.scores.shape[1])
        return draw_persons(
            picture,
            boxes_xyxy_px=(persons.boxes_xyxy_px - np.tile(corner, 2) + 0.5) * np.tile(scale, 2) - 0.5,
            joints_xy_px=(persons.joints_xy_px - corner + 0.5) * scale - 0.5,
            scores=persons.scores,
            bones=skeleton.edges,
            joint_names=skeleton.joint_names,
            names=[str(slot + 1) for slot in persons.slots],
            slots=persons.slots,
            weight=0.5 if heatmaps else 1.0,
        )


def scaled_size(size_px: tuple[int, int], longer_px: int) -> tuple[int, int]:
    """Return width and height, both even as video codecs want them, of a frame scaled to a longer side."""
    scale = longer_px / max(size_px)
    width, height = (max(round(side * scale / 2) * 2, 2) for side in size_px)
    return width, height
