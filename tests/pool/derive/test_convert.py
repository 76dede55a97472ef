"""Stores in steps of a given error: what they hold, what other readers get, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray
import zarr

from heatpool.pipelines.extraction.recorded import as_recorded
from heatpool.pipelines.options.extract import ExtractOptions
from heatpool.pool.archive.card import draft_card
from heatpool.pool.archive.pack import pack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.store.levels import find_rounding
from heatpool.pool.store.reader import FeatureStore, open_store
from heatpool.pool.store.summary import summarise_store
from heatpool.pool.store.verify import verify_store
from tests.pool.store.store_cases import make_spec, make_store, tree_bytes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("convert") / "whole.zarr"
    make_store(path, spec=make_spec(steps=16, joints=17, channels=8, map_mean=True))
    return open_store(path)


@pytest.fixture(scope="module")
def coarse(whole: FeatureStore) -> FeatureStore:
    out = whole.path.with_name("coarse.zarr")
    convert_store(whole, out, precision="error:5%")
    return open_store(out)


def read_all(store: FeatureStore) -> dict[str, np.ndarray]:
    return store.read(range(len(store)), store.layout.features)


@pytest.mark.parametrize("precision", ["error:5%", "error:0.5%", "float16:5%"])
def test_features_keep_to_the_error(whole: FeatureStore, tmp_path: Path, precision: str) -> None:
    convert_store(whole, tmp_path / "out.zarr", precision=precision)
    before, after = read_all(whole), read_all(open_store(tmp_path / "out.zarr"))
    asked = float(precision.partition(":")[2].rstrip("%")) / 100
    for name in ("pooled", "map_mean"):
        exact, got = (each[name].astype(np.float64) for each in (before, after))
        assert np.sqrt(((got - exact) ** 2).sum() / (exact**2).sum()) <= asked + 1e-3
        assert got.any()
        assert not np.array_equal(got, exact)
    # Frames are 640 pixels wide: a tenth of a pixel is less than the step of float16 from 0.5 to 1. Half a
    # step is lost at most, and what float16 itself rounds.
    for name in ("keypoints", "boxes"):
        places = [each[name].astype(np.float64) for each in (before, after)]
        if name == "keypoints":
            np.testing.assert_allclose(places[0][..., 2], places[1][..., 2], atol=1 / 128 + 2**-12)
            places = [each[..., :2] for each in places]
        np.testing.assert_allclose(*places, rtol=1e-3, atol=2**-12)
    for name in ("mask", "time_s"):
        np.testing.assert_array_equal(before[name], after[name])
    assert verify_store(tmp_path / "out.zarr").intact


def test_fewer_bytes_and_absent_persons_cost_none(whole: FeatureStore, coarse: FeatureStore) -> None:
    before, after = whole.bytes_by_array(), coarse.bytes_by_array()
    assert after["pooled"] < before["pooled"]
    absent = ~read_all(coarse)["mask"].any(-1)
    assert absent.any()
    assert not read_all(coarse)["pooled"][absent].any()


def test_other_readers_decode_it_by_themselves(coarse: FeatureStore) -> None:
    ours = read_all(coarse)
    raw = zarr.open_group(coarse.path, mode="r")
    found = xarray.open_zarr(coarse.path, consolidated=True)
    for name in ("pooled", "map_mean", "keypoints", "boxes"):
        array = raw[name]
        assert isinstance(array, zarr.Array)
        assert array.dtype.kind in "ui"
        by_hand = np.asarray(array[:]) * array.attrs["scale_factor"]
        np.testing.assert_array_equal(by_hand.astype(np.float32).astype(np.float16), ours[name])
        np.testing.assert_array_equal(found[name].values.astype(np.float16), ours[name])


def test_float16_in_steps_is_an_ordinary_store(whole: FeatureStore, tmp_path: Path) -> None:
    convert_store(whole, tmp_path / "out.zarr", precision="float16:5%")
    store = open_store(tmp_path / "out.zarr")
    assert store.spec.precision == "f2"
    assert not store.spec.levels
    step = store.spec.config["rounded"]["pooled"]["step"]
    assert not (read_all(store)["pooled"].astype(np.float64) % step).any()
    assert store.bytes_by_array()["pooled"] < whole.bytes_by_array()["pooled"]


def test_it_is_said_everywhere(coarse: FeatureStore, tmp_path: Path) -> None:
    found, pooled = summarise_store(coarse), coarse.spec.levels["pooled"]
    assert found.precision == f"levels (uint8, error {pooled.error:.2%})"
    assert found.precision_meaning.startswith(f"`pooled` is rounded to multiples of {pooled.step:.4g}: ")
    card = draft_card(coarse)
    assert f"precision {found.precision}" in card
    assert f"- {found.precision_meaning}\n- {found.total_bytes:,} bytes, {found.clip_bytes:,.0f} for" in card
    convert_store(coarse, tmp_path / "back.zarr", precision="f2")
    assert (
        summarise_store(open_store(tmp_path / "back.zarr")).precision == f"f2 (from error:{pooled.error:.3%})"
    )


def test_rounding_is_said_and_a_strange_one_is_passed_over(whole: FeatureStore, tmp_path: Path) -> None:
    convert_store(whole, tmp_path / "out.zarr", precision="float16:5%")
    store = open_store(tmp_path / "out.zarr")
    step, error = store.spec.config["rounded"]["pooled"].values()
    found = summarise_store(store)
    assert found.precision == f"f2 (rounded, error {error:.2%})"
    assert f"multiples of {step:.4g}" in found.precision_meaning
    assert "rounded" not in found.provenance["config"]
    for strange in ("yes", {"pooled": 3}, {"pooled": {"step": "1", "error": 0.1}}, {"pooled": {"step": 1.0}}):
        assert find_rounding({"rounded": strange}) is None


def test_parts_and_archives_have_the_same_steps(coarse: FeatureStore, tmp_path: Path) -> None:
    rows = np.flatnonzero(coarse.clips.status != 4)
    subset_store(coarse, tmp_path / "a.zarr", rows=rows[:4])
    subset_store(coarse, tmp_path / "b.zarr", rows=rows[4:])
    parts = [open_store(tmp_path / f"{name}.zarr") for name in "ab"]
    merge_stores(parts, tmp_path / "again.zarr")
    again = open_store(tmp_path / "again.zarr")
    np.testing.assert_array_equal(read_all(again)["pooled"], coarse.read(rows)["pooled"])
    pack(again.path, tmp_path / "again.hpz")
    assert open_store(tmp_path / "again.hpz").spec.levels == coarse.spec.levels


def test_other_steps_do_not_merge(whole: FeatureStore, coarse: FeatureStore, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="precision: 'f2' in the store, 'levels in steps of pooled"):
        merge_stores([whole, coarse], tmp_path / "out.zarr")


@pytest.mark.parametrize("suffix", ["h5", "npz"])
def test_exported_and_imported_it_is_float16(coarse: FeatureStore, tmp_path: Path, suffix: str) -> None:
    export, restore = (export_hdf5, import_hdf5) if suffix == "h5" else (export_npz, import_npz)
    export(coarse, tmp_path / f"a.{suffix}")
    restore(tmp_path / f"a.{suffix}", tmp_path / "back.zarr")
    back = open_store(tmp_path / "back.zarr")
    np.testing.assert_array_equal(read_all(back)["pooled"], read_all(coarse)["pooled"])
    assert (back.spec.precision, dict(back.spec.levels)) == ("f2", {})
    assert back.spec.config["converted_from"].startswith("error:")


@pytest.mark.parametrize("precision", ["error:5%", "float16:5%"])
def test_nothing_is_appended_to_it(whole: FeatureStore, tmp_path: Path, precision: str) -> None:
    """New clips would be exact, beside rounded ones."""
    convert_store(whole, tmp_path / "out.zarr", precision=precision)
    with pytest.raises(HeatpoolError, match="append to the store that it was converted from"):
        as_recorded(ExtractOptions(), open_store(tmp_path / "out.zarr"))


def test_the_way_back_says_what_was_lost(coarse: FeatureStore, tmp_path: Path) -> None:
    convert_store(coarse, tmp_path / "back.zarr", precision="f2")
    back = open_store(tmp_path / "back.zarr")
    np.testing.assert_array_equal(read_all(back)["pooled"], read_all(coarse)["pooled"])
    assert back.spec.config["converted_from"].startswith("error:")
    assert not back.spec.levels


def test_the_same_bytes_twice(whole: FeatureStore, coarse: FeatureStore, tmp_path: Path) -> None:
    convert_store(whole, tmp_path / "twice.zarr", precision="error:5%")
    assert tree_bytes(tmp_path / "twice.zarr") == tree_bytes(coarse.path)


@pytest.mark.parametrize(
    ("of", "precision", "line"),
    [
        ("whole", "error:2", "any error above 0 and below 100 %, got 'error:2'"),
        ("whole", "f2", "is in precision f2 already; copy it"),
        ("coarse", "error:1%", "have an error of 4.* already, error:1% leaves less"),
    ],
)
def test_what_is_refused(
    of: str, precision: str, line: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(HeatpoolError, match=line):
        convert_store(request.getfixturevalue(of), tmp_path / "out.zarr", precision=precision)
    assert not (tmp_path / "out.zarr").exists()
