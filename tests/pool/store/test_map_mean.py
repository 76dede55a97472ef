"""Stores with the means of the tapped maps, on all ways that stores go; and what they say of several taps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from heatpool.pool.archive.pack import unpack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.store.layout import FEATURE_NAMES
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.archive.archive_cases import pack_store
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store, write_pending

ROWS = np.arange(11)


def map_spec(**changes: object) -> StoreSpec:
    return make_spec(tap="fine+coarse", tap_channels=(2, 3), map_mean=True, **changes)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    make_store(tmp_path / "s.zarr", spec=map_spec()).close()
    return FeatureStore.open(tmp_path / "s.zarr")


def wanted(store: FeatureStore) -> np.ndarray:
    clips = [make_clip(map_spec(), row)[0] for row in ROWS]
    absent = np.zeros(store.layout.features["map_mean"].item_shape)
    return np.stack([absent if clip is None else clip.map_mean for clip in clips])


def test_means_come_back_as_written(store: FeatureStore, tmp_path: Path) -> None:
    assert tuple(store.layout.features) == (*FEATURE_NAMES, "map_mean")
    assert store.spec == map_spec()
    assert store.spec.tap_names == ("fine", "coarse")
    values = store.read(ROWS, ("map_mean",))["map_mean"]
    assert (values.shape, values.dtype) == ((11, 2, 4, 5), np.float16)
    np.testing.assert_array_equal(values, wanted(store))
    np.testing.assert_array_equal(store.read([5], ("map_mean",))["map_mean"][0], values[5])
    clip = store.clip(5)
    assert clip is not None
    np.testing.assert_array_equal(clip.map_mean, values[5])
    with xr.open_zarr(tmp_path / "s.zarr") as data:
        assert data["map_mean"].dims == ("clip", "person", "step", "channel")
        np.testing.assert_array_equal(data["map_mean"].values, values)


def archived(store: FeatureStore, folder: Path) -> None:
    pack_store(store.path, folder / "s.hpz")
    np.testing.assert_array_equal(  # straight from the archive
        FeatureStore.open(folder / "s.hpz").read(ROWS, ("map_mean",))["map_mean"], wanted(store)
    )
    unpack(FeatureStore.open(folder / "s.hpz").source, folder / "out.zarr")


def through_hdf5(store: FeatureStore, folder: Path) -> None:
    export_hdf5(store, folder / "s.h5")
    import_hdf5(folder / "s.h5", folder / "out.zarr")


def through_npz(store: FeatureStore, folder: Path) -> None:
    export_npz(store, folder / "s.npz")
    import_npz(folder / "s.npz", folder / "out.zarr")


WAYS: dict[str, Callable[[FeatureStore, Path], None]] = {
    "archive": archived,
    "subset": lambda store, folder: subset_store(store, folder / "out.zarr", rows=ROWS),
    "u1": lambda store, folder: convert_store(store, folder / "out.zarr", precision="u1"),
    "hdf5": through_hdf5,
    "npz": through_npz,
}


@pytest.mark.parametrize("way", WAYS)
def test_means_survive(way: str, store: FeatureStore, tmp_path: Path) -> None:
    WAYS[way](store, tmp_path)
    out = FeatureStore.open(tmp_path / "out.zarr")
    assert (out.spec.map_mean, out.spec.tap, out.spec.tap_channels) == (True, "fine+coarse", (2, 3))
    np.testing.assert_array_equal(out.read(ROWS, ("map_mean",))["map_mean"], wanted(store))
    assert verify_store(tmp_path / "out.zarr").intact


def test_stores_with_means_are_merged_with_their_like(store: FeatureStore, tmp_path: Path) -> None:
    first, second = (
        subset_name(store, tmp_path / name, rows) for name, rows in (("a", ROWS[:4]), ("b", ROWS[4:]))
    )
    merge_stores([first, second], tmp_path / "out.zarr")
    out = FeatureStore.open(tmp_path / "out.zarr")
    np.testing.assert_array_equal(out.read(ROWS, ("map_mean",))["map_mean"], wanted(store))
    make_store(tmp_path / "plain.zarr", spec=make_spec(tap="fine+coarse")).close()
    with pytest.raises(HeatpoolError, match="cannot be merged.*map_mean"):
        merge_stores([store, FeatureStore.open(tmp_path / "plain.zarr")], tmp_path / "both.zarr")


def subset_name(store: FeatureStore, path: Path, rows: np.ndarray) -> FeatureStore:
    subset_store(store, path, rows=rows)
    return FeatureStore.open(path)


def test_damage_is_seen_and_written_again(store: FeatureStore) -> None:
    file = store.path / "map_mean" / "c/1/0/0/0"
    before = file.read_bytes()
    file.write_bytes(before[:-1])
    assert not verify_store(store.path).intact
    with StoreWriter.resume(store.path, spec=map_spec(), index=make_index(11)) as writer:
        assert writer.pending_shards() == [1]
        write_pending(writer, map_spec())
        writer.finish()
    assert file.read_bytes() == before
    assert verify_store(store.path).intact


@pytest.mark.parametrize(("stored", "given"), [(False, True), (True, False)])
def test_resume_refuses_to_begin_or_end_means(stored: bool, given: bool, tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr", spec=make_spec(map_mean=stored)).close()
    with pytest.raises(HeatpoolError, match="cannot resume.*map_mean"):
        StoreWriter.resume(tmp_path / "s.zarr", spec=make_spec(map_mean=given), index=make_index(11))


def test_a_store_that_says_nothing_of_its_taps_is_gone_on_with(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr").close()
    attributes = json.loads((tmp_path / "s.zarr" / "zarr.json").read_bytes())["attributes"]
    assert not {"map_mean", "tap_channels"} & set(attributes)
    assert FeatureStore.open(tmp_path / "s.zarr").spec.tap_channels == ()
    StoreWriter.resume(tmp_path / "s.zarr", spec=make_spec(tap_channels=(5,)), index=make_index(11)).close()


@pytest.mark.parametrize("channels", [(2, 2), (5,), (5, 0), (1, 2, 2)])
def test_impossible_taps_are_refused(channels: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected the channels of fine"):
        make_spec(tap="fine+coarse", tap_channels=channels)


@pytest.mark.parametrize(
    "forged", [{"map_mean": "yes"}, {"tap_channels": 5}, {"tap_channels": ["a", "b"]}, {"tap": 3}]
)
def test_forged_attributes_are_one_line(forged: dict, store: FeatureStore) -> None:
    path = store.path / "zarr.json"
    root = json.loads(path.read_bytes())
    root["attributes"] |= forged
    path.write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match="its attributes are wrong"):
        FeatureStore.open(store.path)
