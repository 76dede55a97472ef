"""Features by other versions of packages than those that a run was trained on: each command says so."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction import describe
from heatpool.pipelines.training.features import compare_versions
from heatpool.pool.errors import HeatpoolError
from tests.pipelines.commands.prediction_cases import make_clip, train
from tests.pipelines.extraction.test_versions import by_opencv_4

QUIET = ["--device", "cpu", "--threads", "1", "--quiet"]


@pytest.fixture
def mixed_store(brightness_run: Path, tmp_path: Path) -> Path:
    """The run's store, as if OpenCV 4 had made a part of it."""
    store = tmp_path / "mixed.zarr"
    shutil.copytree(brightness_run.parent / "features.zarr", store)
    root = json.loads((store / "zarr.json").read_text())
    root["attributes"]["versions"]["opencv"].append("4.14.0")
    (store / "zarr.json").write_text(json.dumps(root))
    return store


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    return [line for line in said if "4.14.0" in line]


def test_new_videos_by_other_versions(
    brightness_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clip = make_clip(tmp_path / "new.mp4", np.linspace(40, 200, 12))
    command = ["predict", "--run", str(brightness_run), str(clip), *QUIET]
    assert main(command) == 0
    assert not warned(caplog)
    with patch.object(describe, "versions_at_work", by_opencv_4):
        assert main(command) == 0
    (line,) = warned(caplog)
    assert f"opencv {cv2.__version__} (the run), 4.14.0 (now)" in line


def test_another_store(brightness_run: Path, mixed_store: Path, caplog: pytest.LogCaptureFixture) -> None:
    run, store = str(brightness_run), str(mixed_store)
    assert main(["evaluate", run, "--features", store, "--out", f"{store}.scores", *QUIET]) == 0
    assert main(["predict", "--run", run, "--features", store, *QUIET]) == 0
    lines = warned(caplog)
    assert len(lines) == 2
    assert all(f"{cv2.__version__} and 4.14.0 ({store})" in line for line in lines)


def test_training_on_features_of_several_versions(
    mixed_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert train(mixed_store, tmp_path / "run", "--epochs", "1") == 0
    assert len(warned(caplog)) == 1
    kept = json.loads((tmp_path / "run/summary.json").read_text())["extraction"]["spec"]["versions"]
    assert kept["opencv"] == [cv2.__version__, "4.14.0"]


def test_runs_of_before_are_compared_with_nothing(caplog: pytest.LogCaptureFixture) -> None:
    compare_versions({"extraction": {"spec": {"backbone": "onnx"}}}, {"opencv": ("4.14.0",)}, name="now")
    assert not warned(caplog)
    with pytest.raises(HeatpoolError, match="damaged summary of the run: expected versions by package"):
        compare_versions({"extraction": {"spec": {"versions": 5}}}, {}, name="now")
