"""Features that are in no store, against the same features read from one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.batches import load_clips
from heatpool.classify.data.inputs import INPUTS, StreamInput
from heatpool.classify.data.one_clip import one_clip
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.writer import StoreWriter

SPEC = StoreSpec(
    persons=3, steps=4, joints=17, channels=5, backbone="onnx", tap="a", weights_sha256="0", config={},
    map_mean=True, rgb=RgbSpec("clip", 2, 6, 32, "1"),
)  # fmt: skip


def make_features() -> ClipFeatures:
    """Two of three slots are filled, the second at half of the steps; noise where nobody is."""
    rng = np.random.default_rng(0)
    mask = np.zeros((3, 4), np.bool_)
    mask[0], mask[2, 1:3] = True, True

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return ClipFeatures(
        pooled=draw(3, 4, 17, 5), keypoints=draw(3, 4, 17, 3), boxes=draw(3, 4, 4), mask=mask,
        time_s=np.arange(4, dtype=np.float32), map_mean=draw(3, 4, 5), rgb=draw(2, 6),
    )  # fmt: skip


@pytest.mark.parametrize("input", INPUTS)
def test_a_clip_is_as_a_store_would_give_it(tmp_path: Path, input: StreamInput) -> None:
    features, result = make_features(), ClipResult(Status.OK, frames=4, fps=25, persons=2)
    index = ClipIndex(("clip",), ("a.mp4",), np.array([-1], np.int32), ("wave",))
    with StoreWriter.create(tmp_path / "a.zarr", spec=SPEC, index=index) as writer:
        writer.write_shard(0, [features], [result])
        writer.finish()
    stored = load_clips(FeatureStore.open(tmp_path / "a.zarr"), np.array([0]), input=input, rgb="embeddings")
    made = one_clip(features, result, SPEC, class_names=("wave",), input=input, rgb="embeddings")
    persons = torch.arange(len(made.mask))
    assert torch.equal(made.features[persons], stored.features[persons])
    for name in ("mask", "slot", "clip_of_person", "labels", "rgb"):
        assert torch.equal(getattr(made, name), getattr(stored, name)), name
    assert made.features[persons].dtype == torch.float16
    assert (made.source, made.class_names, made.persons) == (
        stored.source,
        stored.class_names,
        stored.persons,
    )


def test_pixels_that_are_not_there_are_refused() -> None:
    features = replace(make_features(), rgb=None)
    result = ClipResult(Status.OK, frames=4, persons=2)
    with pytest.raises(HeatpoolError, match="expected RGB crops"):
        one_clip(features, result, replace(SPEC, rgb=None), class_names=(), rgb="crops")
