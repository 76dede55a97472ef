"""Several processes that share a training, as torchrun starts them, and other precisions."""

from __future__ import annotations

import csv
import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from heatpool.classify.training.loop import train_network
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.processes import Processes
from heatpool.classify.training.stream import StreamArchitecture, load_model
from heatpool.pool.errors import HeatpoolError
from tests.classify.clip_cases import moving_clips
from tests.classify.training.test_stream import TINY
from tests.paths import ROOT

SCRIPT = ["-m", "tests.classify.training.shared_training"]


def run(arguments: list[str]) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]


def figures(folder: Path) -> list[dict[str, float]]:
    with (folder / "metrics.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    """Batches, shares of unequal size, accumulation and clipping of gradients; val is shared, too."""
    run([*SCRIPT, str(tmp_path / "one")])
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *SCRIPT]
    run([*torchrun, str(tmp_path / "two")])
    one, two = (tmp_path / name / "probe" for name in ("one", "two"))
    for alone, shared in zip(figures(one), figures(two), strict=True):
        assert shared == pytest.approx(alone, rel=1e-5)
    weights, other = (load_file(folder / "checkpoints/last.safetensors") for folder in (one, two))
    for name, weight in weights.items():
        torch.testing.assert_close(other[name], weight, rtol=1e-4, atol=1e-6)
    # batch norms see half of a batch each: HP-Net's figures differ, but the first rate is the same
    hpnet = figures(tmp_path / "two/hpnet")
    assert [row["lr"] for row in hpnet] == [row["lr"] for row in figures(tmp_path / "one/hpnet")]
    assert all(np.isfinite(list(row.values())).all() for row in hpnet)


def test_bfloat16_learns_what_float32_learns(tmp_path: Path) -> None:
    train, val, test = moving_clips(30), moving_clips(15, seed=1), moving_clips(30, seed=2)
    config = dataclasses.replace(TINY, epochs=20, dtype="bfloat16", accumulation=2)
    done = train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path)
    best = load_model(done.best)
    assert all(weight.dtype == torch.float32 for weight in best.model.parameters())
    scores = predict_scores(best, test)
    assert (scores.scores.argmax(1) == scores.labels).mean() >= 0.9
    exact = train_network(
        StreamArchitecture(dataclasses.replace(config, dtype="float32")),
        train,
        val=val,
        out_dir=tmp_path / "exact",
    )
    losses = [run.history[0].figures["train/loss"] for run in (done, exact)]
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"dtype": "float16"}, "expected a GPU for --dtype float16"), ({"dtype": "int8"}, "dtype must be")],
)
def test_what_a_device_cannot_do_is_said(changes: dict[str, str], said: str) -> None:
    with pytest.raises(HeatpoolError, match=said):
        Processes(dataclasses.replace(TINY, **changes))  # type: ignore[arg-type]


def test_one_gpu_for_several_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(HeatpoolError, match="with torchrun, got cuda:0"):
        Processes(dataclasses.replace(TINY, device="cuda:0"))
