"""The reading examples of docs/format.md run, and its tables name what the store holds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.store.layout import FEATURE_NAMES, OPTIONAL_NAMES, PART_NAMES, RESULT_DTYPES
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT
from tests.pool.store.store_cases import make_spec, make_store

DOC = (ROOT / "docs/format.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", DOC, re.DOTALL)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    path = make_store(tmp_path / "features.zarr", spec=make_spec(joints=17)).path
    make_store(tmp_path / "small.zarr", spec=make_spec(precision="u1"))
    monkeypatch.chdir(tmp_path)
    return FeatureStore.open(path)


@pytest.mark.parametrize("number", range(5))
def test_reading_examples_run(store: FeatureStore, number: int) -> None:
    assert len(SNIPPETS) == 5
    names: dict = {}
    exec(compile(SNIPPETS[number], "docs/format.md", "exec"), names)
    if "batch" in names:
        assert names["batch"]["pooled"].shape == (2, 2, 4, 17, 5)
        assert names["shard_rows"].tolist() == [8, 9, 10]
        np.testing.assert_array_equal(names["clip"].pooled, store.read([0])["pooled"][0])
        np.testing.assert_array_equal(names["pooled"], store.read(range(8))["pooled"][:, 0])
        assert names["few"].tolist() == [1, 5]
        assert names["table"]["subject"][1] == "s1"
    if "train" in names:
        assert names["train"].sizes["clip"] == 3
        assert names.get("subjects", ["s1", "s2"])[:2] == ["s1", "s2"]
    if "noses" in names:
        noses = store.read(range(11), ["keypoints"])["keypoints"][..., 0, :2]
        np.testing.assert_array_equal(names["noses"].values, noses)
        assert names["seconds"].dims == ("clip", "step")
    if "first_shard" in names:
        np.testing.assert_array_equal(names["first_shard"], store.read(range(4))["pooled"])
        assert names["names"] == ["wave", "sit down", "stand up"]
    if "level" in names:
        small = FeatureStore.open("small.zarr").read(range(11))["pooled"]
        pooled = names["pooled"].transpose(*names["level"].dims).values.astype(np.float16)
        np.testing.assert_array_equal(pooled, small)


def test_every_array_and_root_attribute_is_described(store: FeatureStore) -> None:
    arrays = (*FEATURE_NAMES, *OPTIONAL_NAMES, *PART_NAMES, *RESULT_DTYPES, "clip_id", "path", "label")
    for name in (*arrays, *store.attributes, "tap_channels", "disjoint"):
        assert f"`{name}`" in DOC, name


def test_what_lies_in_the_store_is_in_the_drawing(store: FeatureStore) -> None:
    drawing = DOC.split("features.zarr/", 1)[1].split("##", 1)[0]
    for entry in store.path.iterdir():
        known = {"width_px", "height_px", "persons", "fps", "path", "camera", "split_xview"}  # its "..."
        assert entry.name in drawing or entry.name in known, entry.name
