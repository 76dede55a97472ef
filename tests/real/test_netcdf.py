"""Exports in the programs they are for: movement by its own rules, and the netCDF library.

Both come from the package index into a folder of their own, without what they need for other things.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pool.exchange.keypoints.detect import open_poses
from tests.pool.store.store_cases import make_spec, make_store

pytestmark = [pytest.mark.real, pytest.mark.slow]

PACKAGES = ("movement==0.15.0", "attrs", "loguru", "netCDF4==1.7.4", "cftime")

SCRIPT = """
import netCDF4
import numpy as np
import xarray as xr
from movement.kinematics import compute_velocity
from movement.validators.datasets import ValidPosesInputs

with netCDF4.Dataset("s.h5") as file:
    assert file["pooled"].dimensions == ("clip", "person", "step", "joint", "channel")
    assert file["splits/xsub"].dimensions == ("clip",)
    assert file["joint"][0] == "nose", file["joint"][:]
    assert file["pooled"].dtype == "float32"
    assert set(np.unique(file["mask"][:])) == {0, 1}
    assert len(file.dimensions["person"]) == 2

with xr.open_dataset("s.h5", engine="netcdf4") as data:
    assert data.mask.dtype == bool
    print(data.pooled.sel(clip="clip_0005", joint="nose").mean().item())

poses = xr.open_dataset("poses/clip_0001.nc", engine="netcdf4")
ValidPosesInputs.validate(poses)
made = ValidPosesInputs(
    position_array=poses.position.values, confidence_array=poses.confidence.values, fps=poses.fps,
    individual_names=poses.individuals.values.tolist(), keypoint_names=poses.keypoints.values.tolist(),
).to_dataset()
for name in made.variables:
    assert (made[name].dims, made[name].dtype) == (poses[name].dims, poses[name].dtype), name
assert made.attrs.keys() <= poses.attrs.keys()
velocity = compute_velocity(poses.position)
assert velocity.sizes == poses.position.sizes
poses.to_netcdf("again.nc", engine="netcdf4")
"""


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packages")
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--retries", "1", "--timeout", "5", "--target", str(folder), *PACKAGES]
    index = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=index)
    if done.returncode != 0:
        said = done.stderr.strip().splitlines() or ["nothing"]
        pytest.skip(f"the package index does not give {', '.join(PACKAGES)}: {said[-1]}")
    return folder


def test_movement_and_netcdf_read_the_exports(packages: Path, tmp_path: Path) -> None:
    pytest.importorskip("xarray")
    make_store(tmp_path / "s.zarr", spec=make_spec(joints=17, skeleton="coco17"))
    store = str(tmp_path / "s.zarr")
    assert main(["archive", "export", store, str(tmp_path / "s.h5"), "--quiet"]) == 0
    assert main(["archive", "export", store, str(tmp_path / "poses"), "--format", "movement", "--quiet"]) == 0
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(packages)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, again = (open_poses(tmp_path / name).read(0) for name in ("poses/clip_0001.nc", "again.nc"))
    assert (again.name, again.fps, again.width_px) == (ours.name, ours.fps, 640)
    np.testing.assert_array_equal(again.joints, ours.joints)
    assert float(done.stdout) == 10 * 0.5 + 5 + 1.5 + 0.25 + 1  # person, clip, step, channel: see store_cases
