"""Stores in xarray: by the engine, with names for everything; and archives as the zip files that they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray
import zarr

from heatpool.pool.archive.pack import pack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.reader import FeatureStore, open_store
from heatpool.pool.store.spec import RgbSpec
from heatpool.pool.store.writer import StoreWriter
from heatpool.pool.store.xarray_backend import HeatpoolBackend
from tests.pool.archive.archive_cases import serve
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store

CLIPS, FAILED = 11, [4, 9]


@pytest.fixture(scope="module", params=["f2", "u1"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("backend") / "a.zarr"
    spec = make_spec(precision=request.param, joints=17, skeleton="coco17", map_mean=True)
    make_store(path, spec=spec)
    pack(path, path.with_suffix(".hpz"))
    return open_store(path)


def open_with_engine(store: FeatureStore, **options: Any) -> xarray.Dataset:
    return xarray.open_dataset(store.path, engine="heatpool", **options)


def test_everything_has_a_name(store: FeatureStore) -> None:
    data = open_with_engine(store)
    assert data.pooled.dims == ("clip", "person", "step", "joint", "channel")
    assert data.keypoints.dims == ("clip", "person", "step", "joint", "xy_score")
    assert data.boxes.dims == ("clip", "person", "step", "xyxy")
    assert data.time_s.dims == ("clip", "step")
    assert data["clip"].values.tolist() == list(store.clips.index.clip_id)
    assert data.joint.values.tolist() == list(store.spec.joint_names)
    assert data.split_xsub.values.tolist() == ["", "train", "val", "test"] * 2 + ["", "train", "val"]
    assert data.class_name.values[:5].tolist() == ["", "wave", "sit down", "stand up", ""]
    assert data.status.values.tolist() == store.clips.table()["status"].tolist()
    assert data.subject.values.tolist() == list(store.clips.column("subject"))
    assert data.label.attrs["flag_meanings"] == "wave sit_down stand_up"
    assert data.attrs["backbone"] == store.spec.backbone
    nose = data.pooled.sel(clip="clip_0005", joint="nose")
    np.testing.assert_array_equal(nose.values, store["pooled"][5, :, :, 0])
    scores = data.keypoints.sel(clip="clip_0005", xy_score="score")
    np.testing.assert_array_equal(scores.values, store["keypoints"][5, ..., 2])


def test_what_was_not_seen_is_missing_unless_that_is_turned_off(store: FeatureStore) -> None:
    data = open_with_engine(store)
    seen = np.asarray(store["mask"])
    assert seen.any()
    assert not seen.all()
    for name in ("pooled", "keypoints", "boxes", "map_mean"):
        stored = np.asarray(store[name])
        wanted = np.where(seen.reshape(*seen.shape, *[1] * (stored.ndim - 3)), stored, np.nan)
        assert data[name].dtype == np.float32  # of float16, xarray's means are wrong without a word
        np.testing.assert_array_equal(data[name].values, wanted)
        plain = open_with_engine(store, mask_and_scale=False)[name]
        np.testing.assert_array_equal(plain.values, stored)
    assert np.flatnonzero(data.time_s.isnull().all("step")).tolist() == FAILED
    assert data.pooled.isel(clip=FAILED).isnull().all()


def test_whole_numbers_come_as_the_features_that_they_stand_for(store: FeatureStore, tmp_path: Path) -> None:
    convert_store(store, tmp_path / "coarse.zarr", precision="error:5%")
    data = xarray.open_dataset(tmp_path / "coarse.zarr", mask_and_scale=False)
    coarse = open_store(tmp_path / "coarse.zarr")
    for name in ("pooled", "keypoints", "boxes"):
        assert data[name].dtype == np.float32
        np.testing.assert_array_equal(data[name].values, np.asarray(coarse[name]))


def test_steps_filled_in_between_detections_are_missing_too(tmp_path: Path) -> None:
    spec = make_spec()
    features, result = make_clip(spec, 1)
    assert features is not None
    features.mask[0, 2] = False
    with StoreWriter.create(tmp_path / "a.zarr", spec=spec, index=make_index(1), shard_clips=4) as writer:
        writer.write_shard(0, [features], [result])
        writer.finish()
    path = tmp_path / "a.zarr"
    found = xarray.open_dataset(path).pooled.isnull().all(("joint", "channel"))
    assert np.argwhere(found.values).tolist() == [[0, 0, 2]]
    kept = xarray.open_dataset(path, mask_and_scale=False).pooled
    np.testing.assert_array_equal(kept[0].values, features.pooled)


def test_it_indexes_as_numpy_does(store: FeatureStore) -> None:
    data = open_with_engine(store)
    whole = data.pooled.values
    keys: list[Any] = [
        (3,), (slice(None, None, -1),), ([7, 1, 1],), ([],), (slice(2, 7), 1, slice(None), [4, 0]),
        (2, 0, 0, 0, 0), (slice(0, 9, 4), [1], slice(1, 3), 5, slice(None, None, 2)),
    ]  # fmt: skip
    for key in keys:
        wanted = whole
        for axis in reversed(range(len(key))):
            wanted = wanted[(slice(None),) * axis + (key[axis],)]
        np.testing.assert_array_equal(open_with_engine(store).pooled[key].values, wanted, err_msg=str(key))
    points = xarray.DataArray([0, 8], dims="point")
    np.testing.assert_array_equal(
        open_with_engine(store).pooled.isel(clip=points, step=points // 4).values, whole[[0, 8], :, [0, 2]]
    )


@pytest.mark.parametrize("suffix", [".zarr", ".hpz"])
def test_stores_and_archives_are_found_without_a_word(store: FeatureStore, suffix: str) -> None:
    data = xarray.open_dataset(store.path.with_suffix(suffix))
    xarray.testing.assert_identical(data.load(), open_with_engine(store).load())


def test_an_address_opens_likewise(store: FeatureStore) -> None:
    with serve(store.path.parent) as (address, _):
        for name in ("a.hpz", "a.zarr"):
            data = xarray.open_dataset(f"{address}/{name}", engine="heatpool", chunks={})
            np.testing.assert_array_equal(data["mask"].values, np.asarray(store["mask"]))


def test_other_folders_are_left_to_others(store: FeatureStore, tmp_path: Path) -> None:
    backend = HeatpoolBackend()
    zarr.create_group(tmp_path / "other.zarr")
    assert backend.guess_can_open(store.path)
    assert backend.guess_can_open("features.hpz")
    assert backend.guess_can_open("https://example.org/features.hpz")
    others = (tmp_path / "other.zarr", tmp_path, tmp_path / "nothing", "https://example.org/a.zarr", b"PK")
    assert not any(map(backend.guess_can_open, others))
    with pytest.raises(HeatpoolError, match="no such feature store"):
        xarray.open_dataset(tmp_path / "nothing", engine="heatpool")


def test_opening_reads_the_index_and_no_feature(store: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeatureStore, "read", None)
    data = open_with_engine(store)
    assert f"clip: {CLIPS}" in repr(data)
    with pytest.raises(TypeError):
        data.pooled.load()


def test_chunks_are_shards(store: FeatureStore) -> None:
    data = open_with_engine(store, chunks={})
    assert data.pooled.chunks == ((4, 4, 3), (2,), (4,), (17,), (5,))
    assert data.chunks["clip"] == data.label.chunks[0] == (4, 4, 3)
    doubled = data.pooled.map_blocks(lambda part: 2 * part).compute()
    xarray.testing.assert_equal(doubled, 2 * open_with_engine(store).pooled)


def test_variables_can_be_left_out(store: FeatureStore) -> None:
    data = open_with_engine(store, drop_variables=["pooled", "boxes", "nothing"])
    assert {"pooled", "boxes"}.isdisjoint(data.variables)
    assert "keypoints" in data


def test_what_it_opened_can_be_written_and_read_again(store: FeatureStore, tmp_path: Path) -> None:
    data = open_with_engine(store).load()
    for engine in ("scipy", "h5netcdf"):
        store.to_xarray().to_netcdf(tmp_path / f"{engine}.nc", engine=engine)
        again = xarray.load_dataset(tmp_path / f"{engine}.nc", engine=engine)
        xarray.testing.assert_identical(again, data)
    pytest.importorskip("xarray", minversion="2025.1", reason="older ones read Zarr 3 and do not write it")
    store.to_xarray().to_zarr(tmp_path / "again.zarr", zarr_format=3, consolidated=False)
    again = xarray.open_zarr(tmp_path / "again.zarr", consolidated=False)
    xarray.testing.assert_identical(again.load(), data)


def test_an_archive_is_a_zip_that_zarr_and_xarray_read(store: FeatureStore) -> None:
    archive = store.path.with_suffix(".hpz")
    with zarr.storage.ZipStore(archive, mode="r") as zipped:
        group = zarr.open_group(zipped, mode="r")
        np.testing.assert_array_equal(group["keypoints"][:], store["keypoints"][:])
        data = xarray.open_zarr(zipped)
        np.testing.assert_array_equal(data.keypoints.values, store["keypoints"][:])


def test_columns_and_protocols_may_have_any_names_that_a_store_takes(tmp_path: Path) -> None:
    """A protocol called like a column or like an array; no classes; 3-D joints without names; no clips."""
    number = np.arange(2)
    index = ClipIndex(
        ("a", "b"), ("a.mp4", "b.mp4"), np.full(2, -1, np.int32), (),
        columns={"time": ("noon", "night"), "space": ("in", "out")},
        splits={"time": (number + 1).astype(np.uint8), "label": number.astype(np.uint8)},
    )  # fmt: skip
    spec = make_spec(config={"keypoint_axes": "x y z"}, rgb=RgbSpec("clip", 2, 3, 8, "ab" * 32))
    StoreWriter.create(tmp_path / "a.zarr", spec=spec, index=index).finish()
    data = xarray.open_dataset(tmp_path / "a.zarr")
    assert data.time.values.tolist() == ["noon", "night"]
    assert data.split_time.values.tolist() == ["train", "val"]
    assert data.split_label.values.tolist() == ["", "train"]
    assert data.xy_score.values.tolist() == ["x", "y", "z"]
    assert data.pooled.sel(joint=1).isnull().all()
    assert data.rgb.isnull().all()
    data.to_netcdf(tmp_path / "a.nc", engine="scipy")
    StoreWriter.create(tmp_path / "b.zarr", spec=make_spec(), index=make_index(0)).finish()
    assert open_store(tmp_path / "b.zarr").to_xarray().pooled.mean("step").shape == (0, 2, 3, 5)
