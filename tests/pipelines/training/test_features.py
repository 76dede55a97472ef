"""What stage two says of the store that it reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from heatpool.pipelines.cli import main
from tests.pipelines.program import said
from tests.pipelines.training.train_cases import make_store, train


def test_a_store_with_pending_clips_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make_store(tmp_path / "whole.zarr", shard_clips=9)
    shutil.copytree(whole, tmp_path / "torn.zarr")
    (tmp_path / "torn.zarr" / "journal" / "0000002.json").unlink()
    (tmp_path / "torn.zarr" / "finished.json").unlink()
    for name, lines in (("whole", 0), ("torn", 1)):
        run = tmp_path / name
        assert train(tmp_path / f"{name}.zarr", run, "--model", "linear", "--epochs", "1") == 0
        line = f"9 of 36 clips of {tmp_path}/torn.zarr are pending"
        assert capsys.readouterr().err.count(line) == lines
        assert (run / "log.txt").read_text().count(line) == lines


def test_a_training_that_diverged_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store, run = make_store(tmp_path / "x.zarr"), tmp_path / "run"
    assert train(store, run, "--model", "linear", "--streams", "joint", "--epochs", "1", "--quiet") == 0
    path = run / "pooled_joint" / "checkpoints" / "best.safetensors"
    save_file({name: tensor / 0 for name, tensor in load_file(path).items()}, path)
    capsys.readouterr()
    assert main(["evaluate", str(run), "--device", "cpu", "--threads", "1", "--quiet"]) == 1
    assert "diverged, so train it again with a lower --learning-rate" in said(capsys)
