"""Stage two with what it cannot use: one clear line, a non-zero exit code, nothing lost."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.commands.prediction_cases import extract, make_manifest, make_run, train
from tests.pipelines.program import run_program

Fails = Callable[..., str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with videos, features.zarr and run."""
    return make_run(tmp_path_factory.mktemp("made")).parent


@pytest.fixture
def refuse(capsys: pytest.CaptureFixture[str]) -> Fails:
    """Run a command that must fail; return its one line."""

    def fails(*words: str | Path) -> str:
        capsys.readouterr()
        assert main([str(word) for word in words]) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1, captured.err
        return captured.err

    return fails


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_program_itself_says_one_line_and_exits_with_one(made: Path, tmp_path: Path) -> None:
    words = ["predict", str(tmp_path), str(made / "videos"), "--out", str(tmp_path / "a.csv")]
    done = run_program(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"heatpool predict: expected a finished run in {tmp_path}, summary.json is missing; train it first\n"
    )
    assert not list(tmp_path.iterdir())


def test_a_run_without_checkpoint(made: Path, tmp_path: Path, refuse: Fails) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    (run / "pooled_joint" / "checkpoints" / "best.safetensors").unlink()
    before = contents(run)
    line = "no checkpoint: " + str(run / "pooled_joint" / "checkpoints" / "best.safetensors") + " is missing"
    predictions = tmp_path / "a.csv"
    # Said before the videos are looked at, which may take hours.
    assert line in refuse("predict", run, made / "videos" / "0.mp4", "--out", predictions)
    assert line in refuse("evaluate", run, "--device", "cpu")
    assert contents(run) == before
    assert not predictions.exists()


def test_a_training_that_was_interrupted(made: Path, tmp_path: Path, refuse: Fails) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    (run / "summary.json").unlink()  # written last
    for words in (("predict", run, made / "videos"), ("evaluate", run)):
        line = refuse(*words)
        assert "its training was interrupted: heatpool train … --resume finishes it" in line


def test_a_damaged_checkpoint(made: Path, tmp_path: Path, refuse: Fails) -> None:
    run = tmp_path / "run"
    shutil.copytree(made / "run", run)
    weights = run / "pooled_joint" / "checkpoints" / "best.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert "cannot load the checkpoint" in refuse("evaluate", run, "--device", "cpu")


@pytest.mark.parametrize(
    ("height", "tap", "differs"),
    [
        (64, "heatmaps", "channels"),
        pytest.param(32, "brightness", "weights_sha256", marks=pytest.mark.slow),
    ],
    ids=["channels and tap", "network"],
)
def test_a_store_of_other_features(
    made: Path, tmp_path: Path, refuse: Fails, height: int, tap: str, differs: str
) -> None:
    network = heatmap_network(tmp_path / "pose.onnx", height=height)
    assert extract(made / "clips.csv", tmp_path / "other.zarr", network, tap=tap) == 0
    line = refuse("evaluate", made / "run", "--features", tmp_path / "other.zarr", "--out", tmp_path / "out")
    assert f"these features do not fit the run: its {differs} is" in line
    assert not (tmp_path / "out").exists()


def test_a_store_of_another_tap_with_as_many_channels(made: Path, tmp_path: Path, refuse: Fails) -> None:
    other = tmp_path / "other.zarr"
    shutil.copytree(made / "features.zarr", other)
    meta = other / "zarr.json"
    meta.write_text(meta.read_text().replace('"brightness"', '"brightness2"'))
    assert "its tap is 'brightness', theirs 'brightness2'" in refuse(
        "evaluate", made / "run", "--features", other
    )


def test_classes_that_the_run_does_not_know(made: Path, tmp_path: Path, refuse: Fails) -> None:
    manifest = make_manifest(tmp_path, class_names=("twist", "wobble"))
    assert extract(manifest, tmp_path / "other.zarr", made / "pose.onnx") == 0
    line = refuse("evaluate", made / "run", "--features", tmp_path / "other.zarr")
    assert "expected test clips of the run's classes (fall, rise) in" in line
    assert "got twist, wobble; predict needs no labels" in line
    # Their videos can be asked about all the same.
    words = ["predict", made / "run", manifest, "--out", tmp_path / "a.csv", "--quiet"]
    assert main([*map(str, words), "--device", "cpu", "--threads", "1"]) == 0
    with (tmp_path / "a.csv").open(newline="") as file:
        assert {row["label_1"] for row in csv.DictReader(file)} <= {"rise", "fall"}


def test_a_class_name_without_label_among_labels(made: Path, tmp_path: Path, refuse: Fails) -> None:
    with (made / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (tmp_path / "clips.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["path", "label", "class_name"], extrasaction="ignore")
        writer.writeheader()
        for number, row in enumerate(rows):
            label = "" if number == 3 else int(row["class_name"] == "rise")
            writer.writerow({"path": made / row["path"], "label": label, "class_name": row["class_name"]})
    line = refuse(
        "extract", "--videos", tmp_path / "clips.csv", "--out", tmp_path / "x.zarr", "--backend", "tiny"
    )
    assert "expected a label for class 'fall' of clip" in line
    assert not (tmp_path / "x.zarr").exists()


def test_videos_that_are_not_there(made: Path, tmp_path: Path, refuse: Fails) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("x")
    for videos, line in (
        (tmp_path / "empty", "expected videos (.avi"),
        (tmp_path / "absent.mp4", "absent.mp4 does not exist"),
        (tmp_path / "text.txt", "expected a folder, a manifest .csv or a video"),
    ):
        assert line in refuse("predict", made / "run", videos, "--out", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


def test_training_twice_into_one_folder_loses_nothing(made: Path) -> None:
    before = contents(made / "run")
    assert train(made / "features.zarr", made / "run") == 1
    assert contents(made / "run") == before
