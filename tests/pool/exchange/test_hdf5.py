"""HDF5 for other programs: named dimensions, names along them, no half precision, no enumerations."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.tables import index_tables, store_description
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec, make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("hdf5") / "s.zarr"
    make_store(path, spec=make_spec(joints=17, skeleton="coco17"))
    return FeatureStore.open(path)


def comes_back(path: Path, store: FeatureStore) -> bool:
    import_hdf5(path, path.with_suffix(".zarr"))
    back = FeatureStore.open(path.with_suffix(".zarr"))
    return store_digest(back.source) == store_digest(store.source)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_features_have_the_type_asked_for_and_come_back(
    store: FeatureStore, tmp_path: Path, dtype: str
) -> None:
    export_hdf5(store, tmp_path / "s.h5", dtype=dtype)
    with h5py.File(tmp_path / "s.h5") as file:
        for name in ("pooled", "keypoints", "boxes"):
            assert file[name].dtype == dtype
            np.testing.assert_array_equal(file[name][:], np.asarray(store[name]))
        assert (file["mask"].dtype, file["time_s"].dtype) == ("uint8", "float32")
    assert comes_back(tmp_path / "s.h5", store)


def test_every_axis_has_a_scale_of_its_length(store: FeatureStore, tmp_path: Path) -> None:
    export_hdf5(store, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5") as file:
        arrays: list[h5py.Dataset] = []
        file.visititems(lambda _, each: arrays.append(each) if isinstance(each, h5py.Dataset) else None)
        arrays = [each for each in arrays if not each.is_scale]
        assert len(arrays) == 5 + 3 + 2 + 2 + 7  # features, index, columns, splits, outcomes
        for array in arrays:
            assert [dim[0].shape for dim in array.dims] == [(size,) for size in array.shape]
            assert array.dims[0].label == "clip"
        assert file["joint"].asstr()[:2].tolist() == ["nose", "left_eye"]
        assert file["xy_score"].asstr()[:].tolist() == ["x", "y", "score"]
        assert file["clip"].asstr()[3] == "clip_0003"
        assert list(file["label"].attrs["class_names"]) == ["wave", "sit down", "stand up"]


def test_xarray_finds_names_in_it(store: FeatureStore, tmp_path: Path) -> None:
    xarray = pytest.importorskip("xarray")
    export_hdf5(store, tmp_path / "s.h5")
    with xarray.open_dataset(tmp_path / "s.h5", engine="h5netcdf") as data:
        nose = data.pooled.sel(clip="clip_0005", joint="nose")
        np.testing.assert_array_equal(nose.values, store["pooled"][5, :, :, 0])
        np.testing.assert_array_equal(data.mask.values, np.asarray(store["mask"]))
        assert data.mask.dtype == bool
    with xarray.open_dataset(tmp_path / "s.h5", engine="h5netcdf", group="splits") as splits:
        assert splits.xsub.values.tolist() == store.clips.split("xsub").tolist()


def test_a_file_of_an_earlier_release_comes_back(store: FeatureStore, tmp_path: Path) -> None:
    """Without scales, and `mask` an enumeration of FALSE and TRUE."""
    with h5py.File(tmp_path / "old.h5", "w", track_order=True) as file:
        file.create_group("columns", track_order=True)
        file.attrs["heatpool"] = store_description(store)
        for name, table in index_tables(store).items():
            texts = {} if isinstance(table, np.ndarray) else {"dtype": h5py.string_dtype("utf-8")}
            file.create_dataset(name, data=table, **texts)
        for name in store.layout.features:
            file.create_dataset(name, data=np.asarray(store[name]))
    assert comes_back(tmp_path / "old.h5", store)


def test_what_is_neither_true_nor_false_is_refused(store: FeatureStore, tmp_path: Path) -> None:
    export_hdf5(store, tmp_path / "s.h5")
    with h5py.File(tmp_path / "s.h5", "a") as file:
        file["mask"][0, 0, 0] = 2
    with pytest.raises(HeatpoolError, match="mask"):
        import_hdf5(tmp_path / "s.h5", tmp_path / "t.zarr")


def test_a_store_without_clips_and_classes_is_a_file_too(tmp_path: Path) -> None:
    StoreWriter.create(tmp_path / "e.zarr", spec=make_spec(), index=make_index(0)).finish()
    store = FeatureStore.open(tmp_path / "e.zarr")
    export_hdf5(store, tmp_path / "s.h5")
    assert comes_back(tmp_path / "s.h5", store)
