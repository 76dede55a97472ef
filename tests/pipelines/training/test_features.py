"""What stage two says of the store that it reads."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipelines.training.train_cases import make_store, train


def test_a_store_with_pending_clips_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = make_store(tmp_path / "whole.zarr", shard_clips=9)
    shutil.copytree(whole, tmp_path / "torn.zarr")
    (tmp_path / "torn.zarr" / "journal" / "0000002.json").unlink()
    (tmp_path / "torn.zarr" / "finished.json").unlink()
    for name, said in (("whole", 0), ("torn", 1)):
        run = tmp_path / name
        assert train(tmp_path / f"{name}.zarr", run, "--model", "linear", "--epochs", "1") == 0
        line = f"9 of 36 clips of {tmp_path}/torn.zarr are pending"
        assert capsys.readouterr().err.count(line) == said
        assert (run / "log.txt").read_text().count(line) == said


def test_training_that_diverges_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = make_store(tmp_path / "x.zarr")
    more = ("--model", "tcn", "--optimizer", "sgd", "--grad-clip", "0", "--epochs", "2", "--quiet")
    assert train(store, tmp_path / "run", *more, "--learning-rate", "1000") == 1
    assert "diverged, so train it again with a lower --learning-rate" in capsys.readouterr().err
