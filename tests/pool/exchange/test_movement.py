"""Keypoints as movement has them, read as movement reads them: by xarray. tests/real asks movement itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.movement import export_movement
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_features, make_index, make_spec, make_store

xarray = pytest.importorskip("xarray")

USABLE = [row for row in range(11) if row % 5 != 4]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    path = tmp_path_factory.mktemp("movement") / "s.zarr"
    make_store(path, spec=make_spec(joints=17, skeleton="coco17"))
    return FeatureStore.open(path)


def test_a_file_is_a_poses_dataset_in_pixels_and_seconds(store: FeatureStore, tmp_path: Path) -> None:
    assert export_movement(store, tmp_path / "a.nc", clip_id="clip_0001") == 1
    with xarray.open_dataset(tmp_path / "a.nc", engine="h5netcdf") as data:
        assert data.position.dims == ("time", "space", "keypoints", "individuals")
        assert data.confidence.dims == ("time", "keypoints", "individuals")
        assert data.space.values.tolist() == ["x", "y"]
        assert data.keypoints.values.tolist() == list(store.spec.joint_names)
        assert data.individuals.values.tolist() == ["id_0", "id_1"]
        np.testing.assert_allclose(data.time.values, [1, 1.04, 1.08, 1.12])
        attributes = {
            name: data.attrs[name] for name in ("ds_type", "source_software", "time_unit", "class_name")
        }
        assert list(attributes.values()) == ["poses", "heatpool", "seconds", "wave"]
        assert data.attrs["fps"] == pytest.approx(29.97)
        x, y = data.position.sel(keypoints="nose", individuals="id_1").isel(time=2).values
        x_norm, y_norm, score = store["keypoints"][1, 1, 2, 0].astype(float)
        assert (x, y) == pytest.approx(((x_norm + 1) * 320, (y_norm + 1) * 240))
        assert data.confidence.sel(keypoints="nose", individuals="id_1").values[2] == score


def test_a_folder_has_a_file_per_clip_with_features(store: FeatureStore, tmp_path: Path) -> None:
    assert export_movement(store, tmp_path / "poses") == len(USABLE)
    files = sorted((tmp_path / "poses").iterdir())
    assert [path.name for path in files] == [f"clip_{row:04d}.nc" for row in USABLE]
    with xarray.open_dataset(files[0], engine="h5netcdf") as data:
        assert data.individuals.values.tolist() == ["id_0"]  # of two slots one holds somebody
        assert "class_name" not in data.attrs
    export_movement(store, tmp_path / "poses", overwrite=True)
    (tmp_path / "poses" / "notes.txt").touch()
    with pytest.raises(HeatpoolError, match="folders of .nc files only"):
        export_movement(store, tmp_path / "poses", overwrite=True)


def test_steps_without_the_person_are_missing(tmp_path: Path) -> None:
    spec = make_spec()
    features, result = make_clip(spec, 1)
    assert features is not None
    features.mask[0, 2] = False
    data = export_one(tmp_path, features, result)
    assert np.argwhere(data.position.isnull().all(("space", "keypoints")).values).tolist() == [[2, 0]]
    assert np.argwhere(data.confidence.isnull().all("keypoints").values).tolist() == [[2, 0]]


def test_a_clip_in_which_nobody_was_seen_has_no_individuals(tmp_path: Path) -> None:
    features = make_features(make_spec(), 0, persons=0)
    data = export_one(tmp_path, features, ClipResult(Status.OK, 100, 25.0, 640, 480, 0))
    assert data.position.shape == (4, 2, 3, 0)


def test_positions_in_space_stay_as_they_are(tmp_path: Path) -> None:
    features, result = make_clip(make_spec(), 1)
    data = export_one(tmp_path, features, result, config={"keypoint_axes": "x y z"})
    assert data.space.values.tolist() == ["x", "y", "z"]
    np.testing.assert_array_equal(data.position.values.transpose(3, 0, 2, 1), features.keypoints)
    assert data.confidence.isnull().all()


def export_one(folder: Path, features, result: ClipResult, **changes):
    """The only clip of a store, exported without its name and read."""
    spec = make_spec(**changes)
    with StoreWriter.create(folder / "s.zarr", spec=spec, index=make_index(1), shard_clips=4) as writer:
        writer.write_shard(0, [features], [result])
        writer.finish()
    export_movement(FeatureStore.open(folder / "s.zarr"), folder / "a.nc")
    return xarray.load_dataset(folder / "a.nc", engine="h5netcdf")


def test_what_cannot_be_written_says_why(store: FeatureStore, tmp_path: Path) -> None:
    for out, clip_id, message in (
        ("a.nc", None, "expected --clip with one of 9 clips for a file, or a folder for all"),
        ("a.nc", "clip_0004", "expected a clip with features, got 'clip_0004'"),
        ("poses", "clip_0001", "expected a file that ends in .nc for one clip, got .*poses"),
    ):
        with pytest.raises(HeatpoolError, match=message):
            export_movement(store, tmp_path / out, clip_id=clip_id)
    features, _ = make_clip(make_spec(), 1)
    with pytest.raises(HeatpoolError, match="clip 'clip_0000': expected a known frame size, got none"):
        export_one(tmp_path, features, ClipResult(Status.OK, 100, 25.0, 0, 0, 2))
    spec = make_spec(config={"arrays": ["pooled"]})
    StoreWriter.create(tmp_path / "p.zarr", spec=spec, index=make_index(1)).finish()
    with pytest.raises(HeatpoolError, match="expected keypoints, got pooled only"):
        export_movement(FeatureStore.open(tmp_path / "p.zarr"), tmp_path / "a.nc")
    assert not (tmp_path / "a.nc").exists()
    assert not (tmp_path / "poses").exists()


def test_a_file_is_called_after_its_clip_or_its_row(tmp_path: Path) -> None:
    spec = make_spec()
    ids = ("wave/1", "wave:1", "B", "b")
    index = ClipIndex(ids, ids, np.zeros(4, np.int32), ("wave",))
    with StoreWriter.create(tmp_path / "s.zarr", spec=spec, index=index, shard_clips=4) as writer:
        clips = [make_clip(spec, row) for row in range(4)]
        writer.write_shard(0, [each[0] for each in clips], [each[1] for each in clips])
        writer.finish()
    export_movement(FeatureStore.open(tmp_path / "s.zarr"), tmp_path / "poses")
    names = sorted(path.name for path in (tmp_path / "poses").iterdir())
    assert names == ["B.nc", "clip_00000000.nc", "clip_00000001.nc", "clip_00000003_3.nc"]
