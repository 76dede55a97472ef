"""Stores made of stores say which versions of packages made the features of each part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.derive.remake import append_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.pool.derive.test_merge import other_store
from tests.pool.store.store_cases import make_spec, make_store

BOTH = {"opencv": ("4.14.0", "5.0.0")}


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """In memory: these tests flush hundreds of files."""
    return memory_folder


def test_versions_go_with_the_features(tmp_path: Path) -> None:
    make_store(tmp_path / "old.zarr", spec=make_spec(versions={"opencv": ("4.14.0",)})).close()
    old = FeatureStore.open(tmp_path / "old.zarr")
    new = other_store(tmp_path / "new.zarr", versions={"opencv": ("5.0.0",)})
    with pytest.raises(HeatpoolError, match=r"opencv 4\.14\.0 \(.*old\.zarr\), 5\.0\.0 \(.*new\.zarr\)"):
        merge_stores([old, new], tmp_path / "merged.zarr")
    assert not (tmp_path / "merged.zarr").exists()
    merge_stores([old, new], tmp_path / "merged.zarr", mixed_versions=True)
    merged = FeatureStore.open(tmp_path / "merged.zarr")
    subset_store(merged, tmp_path / "subset.zarr", rows=np.array([0, 1]))
    convert_store(merged, tmp_path / "converted.zarr", precision="u1")
    append_store(old, new)
    for name in ("merged", "subset", "converted", "old"):
        assert FeatureStore.open(tmp_path / f"{name}.zarr").versions == BOTH, name
