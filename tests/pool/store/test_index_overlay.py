"""The same features under another index, in memory: all that asks for labels, splits and columns sees it."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.records import Split
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_index, make_store, tree_bytes


@pytest.fixture
def store(memory_folder: Path) -> FeatureStore:
    return FeatureStore.open(make_store(memory_folder / "x.zarr", clips=6).path)


def test_a_store_reads_as_its_index_says_and_nothing_is_written(store: FeatureStore) -> None:
    before = tree_bytes(store.path)
    index = replace(
        make_index(6),
        label=np.array([1, 0, -1, 1, 0, 1], np.int32),
        class_names=("left", "right"),
        columns={"place": ("hall", "yard", "", "hall", "yard", "hall")},
        splits={"mine": np.array([1, 1, 2, 3, 3, 0], np.uint8)},
        disjoint={"mine": "place"},
    )
    laid = pickle.loads(pickle.dumps(store.with_index(index)))  # as it goes to another process
    clips = laid.clips
    assert clips.class_names == ("left", "right")
    assert (clips.protocols, clips.columns, clips.index.disjoint) == (
        ("mine",),
        ("place",),
        {"mine": "place"},
    )
    assert clips.rows("mine", Split.TRAIN).tolist() == [0, 1]
    assert clips.rows("mine", "test", usable=False).tolist() == [3, 4]
    assert clips.rows(where={"place": "hall"}, classes=["right"]).tolist() == [0, 3, 5]
    assert clips.column("place")[2] == ""
    assert clips.index_of(np.array([3, 0])).columns == {"place": ("hall", "hall")}
    table = clips.table([1, 4])
    assert table["class_name"].tolist() == ["left", "left"]
    assert table["status"].tolist() == ["ok", "failed"]  # outcomes are the store's
    assert table["mine"].tolist() == ["train", "test"]
    np.testing.assert_array_equal(laid.read([3])["pooled"], store.read([3])["pooled"])
    assert store.clips.class_names == ("wave", "sit down", "stand up")
    assert tree_bytes(store.path) == before


def test_an_index_of_other_clips_is_refused(store: FeatureStore) -> None:
    with pytest.raises(ValueError, match="expected an index of the 6 clips of the store, got ClipIndex"):
        store.with_index(make_index(5))
