"""What streams are made of: one array of a store, or two."""

from __future__ import annotations

import pytest

from heatpool.classify.data.inputs import INPUTS, StreamInput, input_shape, parts_of

SHAPES = {"pooled": (2, 64, 17, 48), "keypoints": (2, 64, 17, 3), "map_mean": (2, 64, 48)}


@pytest.mark.parametrize(
    ("name", "parts", "joints", "channels"),
    [
        ("pooled", ("pooled",), 17, 48),
        ("keypoints", ("keypoints",), 17, 3),
        ("map_mean", ("map_mean",), 1, 48),
        ("pooled_and_map_mean", ("pooled", "map_mean"), 18, 48),
        ("pooled_and_keypoints", ("pooled", "keypoints"), 17, 51),
    ],
)
def test_arrays_and_sizes(name: StreamInput, parts: tuple[str, ...], joints: int, channels: int) -> None:
    assert name in INPUTS
    assert parts_of(name) == parts
    assert input_shape(SHAPES, name) == (2, 64, joints, channels)
