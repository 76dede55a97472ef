"""The benchmark against other programs: every side reads the whole clip and ends with an answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.material import make_video
from benchmarks.peer_sides import HRNET, SIDES, YOLO, Side, export_hrnet, missing_packages
from benchmarks.peers import Measured
from benchmarks.yolo_parity import random_network

OF_YOLO = [side for side in SIDES if side.network == YOLO and not side.packages]  # others export first
OF_HRNET = [side for side in SIDES if side.network == HRNET and not missing_packages(side)]


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "clip.mp4"
    return make_video(path, 6, source=None, width_px=96, height_px=64)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("peers") / "yolo.pt"
    return random_network("yolo11n-pose.yaml", path, raised=-8.0, image_px=64)


@pytest.mark.parametrize("side", OF_YOLO, ids=lambda side: side.program)
def test_every_frame_is_read(side: Side, yolo: Path, video: Path) -> None:
    assert side.load(yolo)(video) == 6


@pytest.mark.slow
def test_one_onnx_file_serves_both_programs(tmp_path: Path, video: Path) -> None:
    weights = export_hrnet(tmp_path / "pose.onnx", channels=4)
    assert [side.load(weights)(video) for side in OF_HRNET] == [6] * len(OF_HRNET)


def test_a_row_compares_with_ours() -> None:
    ours, other = Measured(128, 20.0, 3.0, 500.0), Measured(300, 50.0, 4.04, 700.4)
    assert ours.cells(300, ours) == ["300", "128", "20.0", "15.0", "", "500", "3.0"]
    assert other.cells(300, ours) == ["300", "300", "50.0", "6.0", "2.50 ×", "700", "4.0"]
