"""A store by Python's own means: `store[0]`, `store["pooled"]`, loops, numpy, xarray."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures
from heatpool.pool.store.reader import FeatureStore, open_store
from tests.pool.store.store_cases import make_spec, make_store

CLIPS = 11


@pytest.fixture(scope="module", params=["f2", "u1"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("views") / "a.zarr"
    make_store(path, spec=make_spec(precision=request.param))
    return open_store(path)


def same(found: ClipFeatures | None, expected: ClipFeatures | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return all(np.array_equal(value, getattr(expected, name)) for name, value in vars(found).items())


def test_a_number_is_a_clip(store: FeatureStore) -> None:
    assert isinstance(store[0], ClipFeatures)
    assert same(store[0], store.clip(0))
    assert same(store[np.int64(10)], store.clip(10))
    assert same(store[-1], store.clip(10))
    assert store[4] is None  # it failed
    for row in (CLIPS, -CLIPS - 1):
        with pytest.raises(IndexError):
            store[row]


def test_a_loop_goes_through_all_clips(store: FeatureStore) -> None:
    clips = list(store)
    assert len(clips) == len(store) == CLIPS
    assert all(same(clip, store.clip(row)) for row, clip in enumerate(clips))
    assert [row for row, clip in enumerate(clips) if clip is None] == [4, 9]


@pytest.mark.parametrize("name", ["pooled", "keypoints", "boxes", "mask", "time_s"])
def test_an_array_slices_as_numpy_does(store: FeatureStore, name: str) -> None:
    array = store[name]
    whole = store.read(np.arange(CLIPS), (name,))[name]
    assert (array.shape, array.dtype, array.ndim, len(array)) == (whole.shape, whole.dtype, whole.ndim, CLIPS)
    mask = np.arange(CLIPS) % 3 == 0
    keys: list = [
        0, -1, np.int64(3), slice(2, 7), slice(None, None, -4), slice(5, 5), [7, 1, 1], mask, [], ..., (),
        (2, 0), (slice(1, 9), 1), (..., 0), (3, ..., 0), (slice(2, 4), slice(0, 1)),
    ]  # fmt: skip
    for key in keys:
        np.testing.assert_array_equal(array[key], whole[key], err_msg=str(key))
    np.testing.assert_array_equal(np.asarray(array), whole)
    assert np.asarray(array, np.float64).dtype == np.float64
    np.testing.assert_array_equal(np.stack(list(array)), whole)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[5], whole[5])
    with pytest.raises(IndexError):
        array[CLIPS]


def test_an_array_says_what_it_is(store: FeatureStore) -> None:
    assert "pooled (clip: 11, person: 2, step: 4, joint: 3, channel: 5) float16" in repr(store["pooled"])
    with pytest.raises(KeyError, match="expected an array of pooled, .* got 'poled'"):
        store["poled"]


def test_slicing_reads_the_shards_it_touches_and_no_others(tmp_path: Path) -> None:
    make_store(tmp_path / "a.zarr")
    store = open_store(tmp_path / "a.zarr")
    array = store["keypoints"]
    for shard in (0, 2):
        (tmp_path / "a.zarr" / store.layout.shard_key("keypoints", shard)).unlink()
    assert array[4:8].shape[0] == 4
    with pytest.raises(HeatpoolError, match="damaged"):
        array[3:8]


def test_xarray_chunks_are_shards_and_the_table_is_in_memory(store: FeatureStore) -> None:
    pytest.importorskip("xarray")
    data = store.to_xarray(mask_and_scale=False)
    assert data.pooled.chunks == ((4, 4, 3), (2,), (4,), (3,), (5,))
    for name in ("pooled", "keypoints", "boxes", "mask", "time_s"):
        np.testing.assert_array_equal(data[name].values, np.asarray(store[name]))
    assert data.label.chunks is data.split_xsub.chunks is None
    means = data.pooled.groupby("class_name").mean("clip").sel(class_name="wave")
    chosen = store.clips.rows(classes=["wave"], usable=False)
    np.testing.assert_allclose(means.values, store["pooled"][chosen].astype("f4").mean(0), rtol=1e-6)


def test_xarray_reads_shard_by_shard_and_only_when_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xarray")
    make_store(tmp_path / "a.zarr")
    store = open_store(tmp_path / "a.zarr")
    read: list[tuple[int, int]] = []
    original = FeatureStore.read

    def watched(self, rows, arrays):
        read.append((int(np.min(rows)), int(np.max(rows))))
        return original(self, rows, arrays)

    monkeypatch.setattr(FeatureStore, "read", watched)
    data = store.to_xarray()
    assert read == []
    data.pooled.isel(clip=slice(4, 6)).load()
    assert read
    assert all(first >= 4 and last < 8 for first, last in read)
    read.clear()
    data.pooled.mean().compute(scheduler="synchronous")
    assert sorted(read) == [(0, 3), (4, 7), (8, 10)]


def test_xarray_is_optional(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    monkeypatch.delitem(sys.modules, "heatpool.pool.store.xarray_backend", raising=False)
    with pytest.raises(HeatpoolError, match=r"^to_xarray needs xarray: pip install 'heatpool\[xarray\]'$"):
        store.to_xarray()
