"""Datasets of movement: our own export, and what xarray writes of one. tests/real asks movement itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import open_poses
from heatpool.pool.exchange.keypoints.records import NamesClasses
from heatpool.pool.exchange.movement import export_movement
from heatpool.pool.store.reader import FeatureStore
from tests.pool.store.store_cases import make_spec, make_store

xarray = pytest.importorskip("xarray")

NAMES = ("head", "tail")


def make_poses(**attributes: Any) -> Any:
    """Five times, two individuals: x = 10 time + joint, y = 100 individual; one is seen from time 2 on."""
    time, joint, individual = np.ogrid[:5, :2, :2]
    position = np.stack(np.broadcast_arrays(10.0 * time + joint, 100.0 * individual), 1)
    position[:2, ..., 1] = np.nan
    dims = ("time", "space", "keypoints", "individuals")
    return xarray.Dataset(
        {"position": (dims, position), "confidence": ((dims[0], *dims[2:]), np.full((5, 2, 2), np.nan))},
        coords={
            "time": np.arange(5) / 25, "space": ["x", "y"], "keypoints": list(NAMES),
            "individuals": ["anna", "bob"],
        },
        attrs={"ds_type": "poses", "time_unit": "seconds", "fps": 25.0} | attributes,
    )  # fmt: skip


def save(data: Any, path: Path) -> Path:
    data.to_netcdf(path, engine="h5netcdf")
    return path


@pytest.mark.parametrize("order", [("time", "space"), ("individuals", "time", "keypoints", "space")])
def test_individuals_come_frame_by_frame(tmp_path: Path, order: tuple[str, ...]) -> None:
    file = open_poses(save(make_poses().transpose(*order, ...), tmp_path / "mice.nc"))
    assert (file.kind, file.names, file.skeleton.joint_names) == ("movement", ("mice",), NAMES)
    video = file.read(0)
    assert video.frame.tolist() == [0, 1, 2, 2, 3, 3, 4, 4]
    assert video.track.tolist() == [0, 0, 0, 1, 0, 1, 0, 1]
    assert video.joints[3].tolist() == [[20, 100], [21, 100]]
    assert (video.joint_score == 1).all()
    assert (video.fps, video.width_px) == (25, 0)


def test_times_in_frames_are_frame_numbers(tmp_path: Path) -> None:
    poses = make_poses(time_unit="frames").assign_coords(time=np.arange(7, 12))
    del poses.attrs["fps"]
    video = open_poses(save(poses, tmp_path / "mice.nc")).read(0)
    assert (sorted(set(video.frame.tolist())), video.fps) == ([7, 8, 9, 10, 11], 0)


def test_frames_in_which_nobody_is_seen_belong_to_the_video(tmp_path: Path) -> None:
    poses = make_poses().assign_coords(time=np.arange(10, 15) / 25)
    poses.position[[0, 4]] = np.nan
    video = open_poses(save(poses, tmp_path / "mice.nc")).read(0)
    assert (video.first_frame, video.frame.min(), video.frame.max(), video.frames) == (10, 11, 13, 15)


def test_times_that_are_no_frames_are_counted(tmp_path: Path) -> None:
    poses = make_poses().assign_coords(time=[0.0, 0.04, 0.045, 0.08, 0.12])
    video = open_poses(save(poses, tmp_path / "mice.nc")).read(0)
    assert sorted(set(video.frame.tolist())) == [0, 1, 2, 3, 4]
    for times in ([0.0, np.nan, 1, 2, 3], [0.0, 0.2, 0.1, 0.3, 0.4]):
        path = save(make_poses().assign_coords(time=times), tmp_path / "bad.nc")
        with pytest.raises(HeatpoolError, match="bad.nc: expected times that are finite and never fall"):
            open_poses(path).read(0)


def test_what_was_exported_comes_in_again(tmp_path: Path) -> None:
    make_store(tmp_path / "s.zarr", spec=make_spec(joints=17, skeleton="coco17"))
    store = FeatureStore.open(tmp_path / "s.zarr")
    export_movement(store, tmp_path / "poses")
    file = open_poses(tmp_path / "poses")
    assert file.names[:2] == ("clip_0000", "clip_0001")
    assert isinstance(file, NamesClasses)
    assert file.class_names[:3] == ("", "wave", "sit down")
    video = file.read(1)
    assert (video.width_px, video.height_px, video.fps) == (640, 480, pytest.approx(25))
    assert video.frame.tolist() == [25, 25, 26, 26, 27, 27, 28, 28]  # 1 s + step / 25
    wanted = store["keypoints"][1].transpose(1, 0, 2, 3).reshape(8, 17, 3).astype("f4")
    np.testing.assert_allclose(video.joints, (wanted[..., :2] + 1) * [320, 240], rtol=1e-6)
    np.testing.assert_array_equal(video.joint_score, wanted[..., 2])


def test_what_is_no_dataset_of_poses_is_one_line(tmp_path: Path) -> None:
    cases = {
        "boxes": (make_poses(ds_type="bboxes"), "expected a dataset .* of ds_type poses, got 'bboxes'"),
        "no_joints": (make_poses().drop_vars("keypoints"), "expected texts in keypoints"),
        "axes": (make_poses().rename(individuals="animals"), "position along time, individuals, .* animals"),
        "less": (make_poses().drop_vars("confidence"), "expected a dataset confidence, got none"),
    }
    for name, (data, message) in cases.items():
        path = save(data, tmp_path / f"{name}.nc")
        with pytest.raises(HeatpoolError, match=message):
            open_poses(path).read(0)
    (tmp_path / "text.nc").write_text("CDF")
    with pytest.raises(HeatpoolError, match="cannot be read as HDF5"):
        open_poses(tmp_path / "text.nc")
