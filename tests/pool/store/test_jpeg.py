from __future__ import annotations

import cv2
import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.jpeg import SLOT_BYTES, jpeg_files, pack_jpegs, unpack_jpegs


def smooth_crops(count: int) -> np.ndarray:
    """Red grows to the right, green downwards, blue with the frame number."""
    crops = np.zeros((count, 224, 224, 3), np.uint8)
    crops[..., 0] = np.arange(224)
    crops[..., 1] = np.arange(224)[:, None]
    crops[..., 2] = 20 * np.arange(count)[:, None, None]
    return crops


def test_crops_come_back_in_order_with_their_colours() -> None:
    crops = smooth_crops(8)
    slots = pack_jpegs(crops)
    assert slots.shape == (8, SLOT_BYTES)
    back = unpack_jpegs(slots)
    assert back.dtype == np.uint8
    error = np.abs(back.astype(int) - crops)
    assert error.max() <= 12
    assert error.mean() < 2


def test_a_slot_is_a_jpeg_file_and_zeros() -> None:
    slots = pack_jpegs(smooth_crops(2))
    for slot, file in zip(slots, jpeg_files(slots), strict=True):
        assert file.startswith(b"\xff\xd8")
        assert file.endswith(b"\xff\xd9")
        assert not slot[len(file) :].any()
        # Decoders stop at the end of the file by themselves, so a whole slot can be given to one.
        whole, trimmed = (cv2.imdecode(np.frombuffer(data, np.uint8), 1) for data in (slot.tobytes(), file))
        assert np.array_equal(whole, trimmed)


def test_what_does_not_fit_is_encoded_at_lower_quality() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3), np.uint8)
    at_90 = cv2.imencode(".jpg", noise[0], [cv2.IMWRITE_JPEG_QUALITY, 90])[1]
    assert len(at_90) > SLOT_BYTES  # or this test shows nothing
    files = jpeg_files(pack_jpegs(noise))
    assert 0 < len(files[0]) <= SLOT_BYTES
    assert unpack_jpegs(pack_jpegs(noise)).shape == (1, 224, 224, 3)
    with pytest.raises(ValueError, match="expected crops that fit 500 bytes"):
        pack_jpegs(noise, slot_bytes=500)


def test_empty_and_foreign_slots_are_refused() -> None:
    slots = pack_jpegs(smooth_crops(3))
    slots[1] = 0
    assert jpeg_files(slots)[1] == b""
    with pytest.raises(HeatpoolError, match="frame 1, got 0 bytes"):
        unpack_jpegs(slots)
    slots[1, :4] = (1, 2, 3, 4)
    with pytest.raises(HeatpoolError, match="frame 1, got 4 bytes that are none"):
        unpack_jpegs(slots)
