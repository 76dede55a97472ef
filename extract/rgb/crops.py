"""Crops around the persons for stage two: which frames, which part of them, and in what form they are kept.

M persons; F crops per clip, D values per embedding, L bytes per JPEG slot. docs/rgb.md gives the reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from heatpool.extract.records import Detections
from heatpool.pool.resample import ResamplePlan
from heatpool.pool.store.jpeg import SLOT_BYTES, pack_jpegs

__all__ = ["CropFiles", "FrameKeeper", "RgbEncoder", "crop_square", "middle_frames", "persons_boxes"]

# Kept frames are shrunk to this longest side: F frames then take at most F x 11 MB (1080p: 6 MB each).
_LONGEST_PX = 1920

# What lies outside the frame: the mean pixel of CLIP's training images, which its networks see as zero.
_OUTSIDE_RGB = (123, 117, 104)


class RgbEncoder(Protocol):
    """Turns the crops of clips into what the store keeps of them.

    Attributes:
        array: field of `ClipFeatures` that takes the answer: rgb or rgb_jpeg.
        frames: F.
        crop_px: side of the crops.
        width: last axis of the answer, D or L.
        weights_sha256: of the network (hex), "" when there is none.
    """

    array: str
    frames: int
    crop_px: int
    width: int
    weights_sha256: str

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Encode (B, F, crop_px, crop_px, 3) uint8 crops of B clips: (B, F, D) float32 or (B, F, L) uint8."""
        ...


class CropFiles:
    """`RgbEncoder` that keeps the crops themselves, as JPEG files.

    Args:
        frames: F.
        crop_px: side of the crops.
    """

    array: str = "rgb_jpeg"

    def __init__(self, frames: int = 8, *, crop_px: int = 224) -> None:
        self.frames, self.crop_px = frames, crop_px
        self.width, self.weights_sha256 = SLOT_BYTES, ""

    def encode(self, crops: np.ndarray) -> np.ndarray:
        """Encode (B, F, H, W, 3) uint8 as (B, F, L) uint8; see `heatpool.pool.store.jpeg`."""
        return np.stack([pack_jpegs(clip) for clip in crops])


def middle_frames(plan: ResamplePlan, count: int) -> np.ndarray:
    """Choose the frames of a clip that are cropped, among those that are read anyway.

    The clip is cut into `count` equal segments; each gives the read frame nearest to its middle, the earlier
    of two. A clip of fewer frames gives some twice.

    Returns:
        (count,) int64, positions in `plan.frames`, not falling.
    """
    read = plan.frames
    middles = (np.arange(count) + 0.5) * plan.source_frames / count - 0.5
    return np.asarray(np.abs(read[None] - middles[:, None]).argmin(1))


def persons_boxes(
    detections: Sequence[Detections], chosen: np.ndarray, plan: ResamplePlan, places: np.ndarray
) -> np.ndarray:
    """Return the box around the chosen persons of some frames.

    It is the union of one box per slot: the person's own in that frame, or where he is not seen that of the
    nearest read frame in which he is, the earlier of two. Slots that are never filled do not count.

    Args:
        detections: of each read frame.
        chosen: (M, read frames) int64, the detection that fills the slot, -1 for none; not all -1.
        plan: which frames of the clip were read.
        places: (F,) positions in `plan.frames`.

    Returns:
        (F, 4) float64 xyxy, in frame pixels.
    """
    read = plan.frames
    slots = []
    for numbers in chosen[(chosen >= 0).any(1)]:
        seen = np.flatnonzero(numbers >= 0)
        nearest = seen[np.abs(read[seen][None] - read[places][:, None]).argmin(1)]
        slots.append([detections[place].boxes_xyxy_px[numbers[place]] for place in nearest.tolist()])
    boxes = np.array(slots, np.float64)
    return np.concatenate([boxes[..., :2].min(0), boxes[..., 2:].max(0)], axis=1)


def crop_square(rgb: np.ndarray, box_xyxy_px: np.ndarray, *, crop_px: int) -> np.ndarray:
    """Cut the square out of a frame that has the box's centre and its longer side, in whole pixels.

    The box is cut off at the frame first. Nothing is stretched: the square takes in what lies beside the box,
    and outside of the frame it is CLIP's mean grey. Shrinking averages over areas, enlarging is bicubic.

    Args:
        rgb: (H, W, 3) uint8.
        box_xyxy_px: (4,), edges of the box; pixel x covers x to x + 1.
        crop_px: side of the crop.

    Returns:
        (crop_px, crop_px, 3) uint8.
    """
    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = np.clip(box_xyxy_px, 0, [width, height, width, height])
    side = max(round(max(x2 - x1, y2 - y1)), 1)
    left, top = round((x1 + x2 - side) / 2), round((y1 + y2 - side) / 2)
    square = np.full((side, side, 3), _OUTSIDE_RGB, np.uint8)
    inside = rgb[max(top, 0) : top + side, max(left, 0) : left + side]
    y, x = max(-top, 0), max(-left, 0)
    square[y : y + inside.shape[0], x : x + inside.shape[1]] = inside
    flags = cv2.INTER_AREA if side > crop_px else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (crop_px, crop_px), interpolation=flags), np.uint8)


class FrameKeeper:
    """Keeps the frames of a clip that will be cropped once its persons are known: at most F of them.

    Args:
        plan: which frames of the clip are read.
        frames: F.
    """

    def __init__(self, plan: ResamplePlan, frames: int) -> None:
        self._plan = plan
        self._places = middle_frames(plan, frames)
        self._kept: dict[int, np.ndarray] = {}

    def offer(self, place: int, rgb: np.ndarray) -> None:
        """Keep a frame, given by its position in `plan.frames`, if it is one of the F."""
        if place not in self._places:
            return
        scale = _LONGEST_PX / max(rgb.shape)
        if scale < 1:
            rgb = np.asarray(
                cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
            )
        self._kept[place] = rgb

    def crop(
        self,
        detections: Sequence[Detections],
        chosen: np.ndarray,
        *,
        width_px: int,
        crop_px: int,
    ) -> np.ndarray:
        """Cut the chosen persons out and let the frames go; see `persons_boxes` and `crop_square`.

        Returns:
            (F, crop_px, crop_px, 3) uint8.
        """
        boxes = persons_boxes(detections, chosen, self._plan, self._places)
        frames = [self._kept[place] for place in self._places.tolist()]
        self._kept.clear()
        pairs = zip(frames, boxes, strict=True)
        return np.stack(
            [crop_square(rgb, box * (rgb.shape[1] / width_px), crop_px=crop_px) for rgb, box in pairs]
        )
