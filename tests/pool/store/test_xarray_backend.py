"""What xarray opens by itself: stores by the engine, archives by their name, and zip files by Zarr's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from heatpool.pool.archive.pack import pack
from heatpool.pool.store.reader import FeatureStore, open_store
from heatpool.pool.store.xarray_backend import HeatpoolBackend
from tests.pool.store.store_cases import make_spec, make_store


@pytest.fixture(scope="module", params=["f2", "u1"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("backend") / "a.zarr"
    make_store(path, spec=make_spec(precision=request.param))
    pack(path, path.with_suffix(".hpz"))
    return open_store(path)


@pytest.mark.parametrize("suffix", [".zarr", ".hpz"])
def test_the_engine_decodes_every_precision(store: FeatureStore, suffix: str) -> None:
    data = xarray.open_dataset(store.path.with_suffix(suffix), engine=HeatpoolBackend)
    np.testing.assert_array_equal(data.pooled.values, store["pooled"][:])
    assert data.pooled.sel(clip_id="clip_0002", keypoint=1).dims == ("person", "step", "channel")


def test_variables_can_be_left_out(store: FeatureStore) -> None:
    data = xarray.open_dataset(store.path, engine=HeatpoolBackend, drop_variables=["pooled", "boxes"])
    assert {"pooled", "boxes"}.isdisjoint(data.variables)
    assert "keypoints" in data


def test_archives_are_known_by_their_name_and_folders_left_to_zarr() -> None:
    backend = HeatpoolBackend()
    assert backend.guess_can_open("features.hpz")
    assert backend.guess_can_open(Path("features.hpz"))
    assert not backend.guess_can_open("features.zarr")
    assert not backend.guess_can_open(b"PK")


def test_an_archive_is_a_zip_that_zarr_and_xarray_read(store: FeatureStore) -> None:
    archive = store.path.with_suffix(".hpz")
    with zarr.storage.ZipStore(archive, mode="r") as zipped:
        group = zarr.open_group(zipped, mode="r")
        np.testing.assert_array_equal(group["keypoints"][:], store["keypoints"][:])
        data = xarray.open_zarr(zipped)
        np.testing.assert_array_equal(data.keypoints.values, store["keypoints"][:])


def test_what_it_opened_can_be_written_again(store: FeatureStore, tmp_path: Path) -> None:
    pytest.importorskip("xarray", minversion="2025.1", reason="older ones read Zarr 3 and do not write it")
    data = xarray.open_dataset(store.path, engine=HeatpoolBackend)
    data.to_zarr(tmp_path / "again.zarr", zarr_format=3, consolidated=False)
    again = xarray.open_zarr(tmp_path / "again.zarr", consolidated=False)
    np.testing.assert_array_equal(again.pooled.values, data.pooled.values)
    assert again.clip_id.values.tolist() == data.clip_id.values.tolist()
