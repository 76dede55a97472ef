from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.dataset import ClipDataset
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.classify.data.test_batches import CHANNELS, JOINTS, STEPS, make_store
from tests.pool.store.test_rgb import EMBEDDINGS, embeddings, rgb_store


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    """Five clips, the second and fifth of two persons; two train, one tests."""
    return make_store(tmp_path / "s.zarr", labels=[0, 1, 0, 1, -1], parts=[1, 1, 2, 3, 0], two=(1, 4))


def test_an_item_holds_what_the_store_holds(store: FeatureStore) -> None:
    clips = ClipDataset(store, arrays=("pooled", "keypoints"))
    assert (len(clips), clips.class_names) == (5, ("sit", "stand"))
    for row, item in enumerate(clips):
        stored = store.read([row], ("pooled", "keypoints", "mask"))
        assert item["pooled"].shape == (2, STEPS, JOINTS, CHANNELS)
        assert item["pooled"].dtype == torch.float32
        for name, values in stored.items():
            np.testing.assert_array_equal(item[name], values[0])
        assert (item["label"], item["clip_id"], item["row"]) == (store.clips.label[row], f"clip{row}", row)
    assert clips[-1]["row"] == 4
    with pytest.raises(IndexError):
        clips[5]


def test_a_split_has_its_own_clips(store: FeatureStore) -> None:
    train = ClipDataset(str(store.path), "xsub", "train")
    assert train.rows.tolist() == [0, 1]
    assert [item["clip_id"] for item in train] == ["clip0", "clip1"]
    assert ClipDataset(store, "xsub").rows.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("mode", ["ram", "disk", "none"])
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_workers_make_the_same_batches(store: FeatureStore, tmp_path: Path, mode: str, context: str) -> None:
    cache = LoaderCache(mode, folder=tmp_path / "cache")  # type: ignore[arg-type]
    clips = ClipDataset(store, cache=cache)
    loader = DataLoader(clips, batch_size=2, num_workers=1, multiprocessing_context=context)
    batches = list(loader)
    assert [batch["clip_id"] for batch in batches] == [["clip0", "clip1"], ["clip2", "clip3"], ["clip4"]]
    assert torch.cat([batch["label"] for batch in batches]).tolist() == [0, 1, 0, 1, -1]
    pooled = torch.cat([batch["pooled"] for batch in batches])
    np.testing.assert_array_equal(pooled, store.read(np.arange(5))["pooled"])


def test_features_on_disk_do_not_travel_to_another_process(store: FeatureStore, tmp_path: Path) -> None:
    clips = ClipDataset(store, cache=LoaderCache("disk", folder=tmp_path / "cache"))
    sent = pickle.dumps(clips)
    assert len(sent) < 4_000
    assert torch.equal(pickle.loads(sent)[1]["pooled"], clips[1]["pooled"])


def test_embeddings_of_the_pixels(tmp_path: Path) -> None:
    store = rgb_store(tmp_path / "s.zarr", EMBEDDINGS)
    for clips in (ClipDataset(store, arrays=("pooled", "rgb")), ClipDataset(store, arrays=("rgb",))):
        for item in clips:
            np.testing.assert_array_equal(item["rgb"], embeddings(item["row"]))


def test_what_a_store_does_not_hold_is_refused(store: FeatureStore) -> None:
    for arrays in (("rgb",), ("boxes",), ()):
        with pytest.raises(HeatpoolError, match=r"expected arrays of .* \(pooled, keypoints\), got"):
            ClipDataset(store, arrays=arrays)  # type: ignore[arg-type]
    with pytest.raises(HeatpoolError, match="no usable clip"):
        ClipDataset(make_store(store.path.with_name("t.zarr"), labels=[0], parts=[1]), "xsub", "val")
