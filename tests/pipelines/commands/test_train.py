"""Stage two as users run it, on a small store whose two classes differ in their motion."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from tests.pipelines.program import said
from tests.pipelines.training.train_cases import CLIPS, make_store, train


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    assert train(store, out, "--epochs", "12", "--batch-size", "4", "--quiet") == 0
    return out


def test_a_run_leaves_everything_a_reader_needs(finished: Path) -> None:
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["clips"] == {"train": 20, "val": 8, "test": 8}
    for name in ("pooled_joint", "keypoints_joint"):
        folder = finished / name
        for file in (
            "metrics.csv", "checkpoints/best.safetensors", "checkpoints/last.safetensors",
            "scores_val.npz", "scores_test.npz",
            "confusion_test.csv", "confusion_test.png", "per_class_test.csv",
        ):  # fmt: skip
            assert (folder / file).stat().st_size, file
        with (folder / "metrics.csv").open(newline="") as file:
            assert len(list(csv.DictReader(file))) == 12
    for file in ("config.yaml", "env.json", "fusion.json", "scores_test.npz", "report.html"):
        assert (finished / file).stat().st_size, file
    assert summary["fused"]["test"]["acc/top1"] == 1.0  # the classes are far apart
    assert set(load_scores(finished / "scores_test.npz").clip_ids) == {
        f"clip {row}" for row in range(CLIPS) if (row // 2) % 4 == 3
    }


def test_weights_are_fitted_on_val_alone(finished: Path) -> None:
    fusion = json.loads((finished / "fusion.json").read_text())
    assert fusion["fitted_on"] == "val"
    assert set(fusion["weights"]) == {"pooled_joint", "keypoints_joint"}


def test_evaluate_gives_the_figures_of_the_run(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--run", str(finished), "--device", "cpu"]) == 0
    summary = json.loads((finished / "summary.json").read_text())
    again = json.loads((finished / "evaluate-test" / "evaluation.json").read_text())
    assert again["fused"]["test"] == summary["fused"]["test"]
    for name, figures in again["streams"].items():
        assert figures["test"] == summary["streams"][name]["test"]
    assert "test, 8 clips" in capsys.readouterr().out


def test_a_resumed_run_ends_as_an_uninterrupted_one(store: Path, finished: Path, tmp_path: Path) -> None:
    from heatpool.classify.training import loop as training

    class StopError(Exception):
        pass

    out, epochs = tmp_path / "run", []
    run_epoch = training._Loop.train_epoch

    def stop_at_three(self, epoch):  # type: ignore[no-untyped-def]
        epochs.append(epoch)
        if len(epochs) == 4:
            raise StopError
        return run_epoch(self, epoch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training._Loop, "train_epoch", stop_at_three)
        with pytest.raises(StopError):
            train(store, out, "--epochs", "12", "--batch-size", "4", "--quiet")
    assert train(store, out, "--epochs", "12", "--batch-size", "4", "--quiet", "--resume") == 0
    whole = json.loads((finished / "summary.json").read_text())
    resumed = json.loads((out / "summary.json").read_text())
    assert resumed["fused"] == whole["fused"]
    for name in ("pooled_joint", "keypoints_joint"):
        one, two = (load_scores(run / name / "scores_test.npz") for run in (finished, out))
        assert np.array_equal(one.scores, two.scores)


def test_the_runs_own_config_trains_it_again(store: Path, finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    options = ["--out", str(out), "--device", "cpu", "--threads", "1", "--quiet"]
    assert main(["train", "--config", str(finished / "config.yaml"), *options]) == 0
    assert (out / "config.yaml").read_bytes() == (finished / "config.yaml").read_bytes()
    for name in ("pooled_joint", "keypoints_joint"):
        one, two = (load_scores(run / name / "scores_test.npz") for run in (finished, out))
        assert np.array_equal(one.scores, two.scores)


def test_an_existing_run_is_not_touched(
    store: Path, finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (finished / "summary.json").read_bytes()
    assert train(store, finished, "--epochs", "12", "--batch-size", "4") == 1
    assert "resume it with --resume or replace it with --overwrite" in said(capsys)
    assert train(store, finished, "--epochs", "13", "--batch-size", "4", "--resume") == 1
    assert "begun with other options" in said(capsys)
    assert (finished / "summary.json").read_bytes() == before


def test_a_foreign_folder_is_never_replaced(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "thesis.tex").touch()
    assert train(store, tmp_path, "--overwrite") == 1
    assert "not a run folder" in said(capsys)
    assert (tmp_path / "thesis.tex").exists()


def test_missing_labels_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "x.zarr", labelled=False)
    assert train(store, tmp_path / "run") == 1
    line = said(capsys)
    assert f"all {CLIPS} clips are unlabelled" in line
    assert "class_name" in line
    assert not (tmp_path / "run").exists()


def test_an_unknown_split_lists_those_there_are(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(store, tmp_path / "run", "--protocol", "xview") == 1
    assert "expected --protocol to be one of xsub, got 'xview'" in said(capsys)


def test_another_kind_of_features_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_store(tmp_path / "other.zarr", channels=4)
    assert main(["evaluate", "--run", str(finished), "--features", str(other), "--device", "cpu"]) == 1
    assert "channels" in said(capsys)


def test_a_run_without_checkpoint_is_refused(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "run"
    shutil.copytree(finished, broken)
    (broken / "pooled_joint" / "checkpoints" / "best.safetensors").unlink()
    assert main(["evaluate", "--run", str(broken), "--device", "cpu"]) == 1
    assert "no checkpoint" in said(capsys)
    (broken / "summary.json").write_text("{}")
    assert main(["evaluate", "--run", str(broken), "--device", "cpu"]) == 1
    assert "summary of a run" in said(capsys)


def test_a_store_of_another_version_is_refused(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.zarr"
    shutil.copytree(store, old)
    root = json.loads((old / "zarr.json").read_text())
    root["attributes"]["version"] = 99
    (old / "zarr.json").write_text(json.dumps(root))
    assert train(old, tmp_path / "run") == 1
    assert "99" in said(capsys)
    assert main(["info", str(old)]) == 1
    assert "99" in said(capsys)


@pytest.mark.slow
def test_torchrun_shares_a_run(store: Path, tmp_path: Path) -> None:
    """Two processes on a CPU, two streams, two seeds; the run is whole and evaluates as it says."""
    out = tmp_path / "run"
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    heatpool = str(Path(sys.executable).with_name("heatpool"))
    command = [
        "--no-python",
        heatpool,
        "train",
        "--features",
        str(store),
        "--out",
        str(out),
        "--device",
        "cpu",
    ]
    options = ["--epochs", "12", "--batch-size", "4", "--seeds", "2"]
    done = subprocess.run(
        [*torchrun, *command, *options], env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True,
        text=True, timeout=250,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("report: ") == 1
    assert "2 processes" in (out / "log.txt").read_text()
    for seed in (0, 1):
        summary = json.loads((out / f"seed_{seed}" / "summary.json").read_text())
        assert summary["fused"]["test"]["acc/top1"] == 1.0
        metrics = (out / f"seed_{seed}" / "pooled_joint" / "metrics.csv").read_text()
        assert metrics.count("\n") == 13
    assert main(["evaluate", "--run", str(out / "seed_0"), "--device", "cpu"]) == 0
    again = json.loads((out / "seed_0" / "evaluate-test" / "evaluation.json").read_text())
    assert again["fused"]["test"] == json.loads((out / "seed_0/summary.json").read_text())["fused"]["test"]
