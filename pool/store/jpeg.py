"""Crops as JPEG files in slots of fixed size, the form in which the store keeps them.

F frames per clip, L bytes per slot; pixels are uint8 RGB.
"""

from __future__ import annotations

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import check_array

__all__ = ["SLOT_BYTES", "jpeg_files", "pack_jpegs", "unpack_jpegs"]

SLOT_BYTES = 32_768
"""L: twice what a detailed 224 x 224 crop of a real video takes at `_QUALITIES[0]`."""

_QUALITIES = (90, 80, 70, 60, 50, 40, 30, 20, 10)


def pack_jpegs(crops: np.ndarray, *, slot_bytes: int = SLOT_BYTES) -> np.ndarray:
    """Encode crops at quality 90, or the highest multiple of ten below at which each fits its slot.

    Args:
        crops: (F, H, W, 3) uint8.
        slot_bytes: L.

    Returns:
        (F, L) uint8: each row a JPEG file, then zeros.

    Raises:
        ValueError: if the crops are not as stated, or one does not fit at quality 10 either.
    """
    check_array("crops", crops, (None, None, None, 3), np.uint8)
    slots = np.zeros((len(crops), slot_bytes), np.uint8)
    for slot, crop in zip(slots, crops, strict=True):
        data = _encode(crop, slot_bytes)
        slot[: len(data)] = data
    return slots


def _encode(crop: np.ndarray, slot_bytes: int) -> np.ndarray:
    import cv2

    bgr = cv2.cvtColor(crop, cv2.COLOR_RGB2BGR)
    for quality in _QUALITIES:
        _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
        if len(data) <= slot_bytes:
            return data
    raise ValueError(f"expected crops that fit {slot_bytes} bytes as JPEG, got {crop.shape} with {len(data)}")


def jpeg_files(slots: np.ndarray) -> list[bytes]:
    """Return the JPEG file of each slot, (F, L) uint8; b"" of an empty slot."""
    check_array("slots", slots, (None, None), np.uint8)
    return [slot.tobytes().rstrip(b"\0") for slot in slots]


def unpack_jpegs(slots: np.ndarray) -> np.ndarray:
    """Decode the slots of one clip.

    Args:
        slots: (F, L) uint8, as the store has them.

    Returns:
        (F, H, W, 3) uint8 RGB.

    Raises:
        HeatpoolError: if a slot is empty, as those of clips without persons are, or no JPEG.
    """
    import cv2

    crops = []
    for frame, file in enumerate(jpeg_files(slots)):
        bgr = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR) if file else None
        if bgr is None:
            raise HeatpoolError(f"expected a JPEG of frame {frame}, got {len(file)} bytes that are none")
        crops.append(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    return np.stack(crops)
