"""The tables and the drawing of docs/format.md name what a store holds; test_docs.py runs its examples."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pool.store.layout import FEATURE_NAMES, OPTIONAL_NAMES, PART_NAMES, RESULT_DTYPES
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT
from tests.pool.store.store_cases import make_store

DOC = (ROOT / "docs/format.md").read_text()


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore.open(make_store(tmp_path / "features.zarr").path)


def test_every_array_and_root_attribute_is_described(store: FeatureStore) -> None:
    arrays = (*FEATURE_NAMES, *OPTIONAL_NAMES, *PART_NAMES, *RESULT_DTYPES, "clip_id", "path", "label")
    for name in (*arrays, *store.attributes, "tap_channels", "disjoint"):
        assert f"`{name}`" in DOC, name


def test_what_lies_in_the_store_is_in_the_drawing(store: FeatureStore) -> None:
    drawing = DOC.split("features.zarr/", 1)[1].split("##", 1)[0]
    for entry in store.path.iterdir():
        known = {"width_px", "height_px", "persons", "fps", "path", "camera", "split_xview"}  # its "..."
        assert entry.name in drawing or entry.name in known, entry.name
