from __future__ import annotations

import csv
import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.training import history
from heatpool.classify.training.architecture import Trained
from heatpool.classify.training.history import EpochReport
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.optim import AdamW
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.stream import StreamArchitecture, learning_rate, load_model
from heatpool.pool.errors import HeatpoolError
from tests.classify.clip_cases import moving_clips

TINY = Recipe(
    epochs=4, batch_size=8, optimizer="adamw", learning_rate=2e-2, weight_decay=0.01, schedule="cosine",
    warmup_epochs=1, window=8, width=8, layers=((1, 1), (2, 2)), dropout=0.05, noise_std=0.02,
    scale_jitter=0.1,
)  # fmt: skip


def replace(clips: ClipSet, **fields: object) -> ClipSet:
    return dataclasses.replace(clips, **fields)  # type: ignore[arg-type]


def test_a_separable_problem_is_learnt_and_the_best_epoch_comes_back(tmp_path: Path) -> None:
    train, val, test = moving_clips(30), moving_clips(15, seed=1), moving_clips(30, seed=2)
    seen: list[EpochReport] = []
    config = dataclasses.replace(TINY, epochs=20)
    run = train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path, progress=seen.append)
    assert [report.epoch for report in seen] == list(range(20))
    best = load_model(run.best)
    assert best.epoch == run.history[-1].best_epoch
    top = max(report.figures["val/acc/top1"] for report in run.history)
    assert best.metrics["val/acc/top1"] == top
    scores = predict_scores(best, test)
    assert (scores.scores.argmax(1) == scores.labels).mean() >= 0.9
    val_scores = predict_scores(best, val)
    assert (val_scores.scores.argmax(1) == val_scores.labels).mean() == pytest.approx(top)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["epoch"]) for row in rows] == list(range(20))
    assert list(rows[0]) == ["epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1"]
    assert float(rows[-1]["train/loss"]) < float(rows[0]["train/loss"])


class _StopError(Exception):
    pass


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped once between epochs and once in the middle of one."""
    train, val = moving_clips(24), moving_clips(9, seed=1)
    whole = train_network(StreamArchitecture(TINY), train, val=val, out_dir=tmp_path / "whole")

    def stop_after_two(report: EpochReport) -> None:
        if report.epoch == 1:
            raise _StopError

    monkeypatch.setattr("heatpool.classify.training.history._SAVE_EVERY_S", 0.0)
    with pytest.raises(_StopError):
        train_network(
            StreamArchitecture(TINY), train, val=val, out_dir=tmp_path / "cut", progress=stop_after_two
        )
    calls = []
    step = AdamW.step

    def broken_step(self: torch.optim.Optimizer) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise _StopError
        step(self)

    with monkeypatch.context() as patch:
        patch.setattr(AdamW, "step", broken_step)
        with pytest.raises(_StopError):
            train_network(StreamArchitecture(TINY), train, val=val, out_dir=tmp_path / "cut", resume=True)
    resumed = train_network(StreamArchitecture(TINY), train, val=val, out_dir=tmp_path / "cut", resume=True)
    assert [report.figures for report in resumed.history] == [report.figures for report in whole.history]
    for name in ("best", "last"):
        files = [tmp_path / run / "checkpoints" / f"{name}.safetensors" for run in ("whole", "cut")]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert (tmp_path / "whole/metrics.csv").read_bytes() == (tmp_path / "cut/metrics.csv").read_bytes()


def test_quick_epochs_are_saved_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first and the last one here; the best one lies in between and is kept until then."""
    train, val = moving_clips(24), moving_clips(9, seed=1)
    config = dataclasses.replace(TINY, epochs=8, learning_rate=0.05)
    saved: list[int] = []
    write = history.save_checkpoint

    def noted(path: Path, trained: Trained) -> None:
        saved.append(trained.epoch)
        write(path, trained)

    monkeypatch.setattr(history, "save_checkpoint", noted)
    for name, seconds in (("each", 0.0), ("few", math.inf)):
        saved.clear()
        monkeypatch.setattr(history, "_SAVE_EVERY_S", seconds)
        run = train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path / name)
    best = run.history[-1].best_epoch
    assert 0 < best < 7
    assert saved == [0, 0, best, 7]
    for file in ("metrics.csv", "checkpoints/best.safetensors", "checkpoints/best.json"):
        assert (tmp_path / "few" / file).read_bytes() == (tmp_path / "each" / file).read_bytes()


def test_a_finished_run_is_not_overwritten_nor_continued_differently(tmp_path: Path) -> None:
    train, val = moving_clips(12), moving_clips(6, seed=1)
    config = dataclasses.replace(TINY, epochs=1)
    train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path)
    with pytest.raises(HeatpoolError, match="already exists; choose another, resume it"):
        train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path)
    with pytest.raises(HeatpoolError, match="another configuration"):
        train_network(
            StreamArchitecture(dataclasses.replace(config, learning_rate=0.1)),
            train,
            val=val,
            out_dir=tmp_path,
            resume=True,
        )
    (tmp_path / "checkpoints/last_state.pt").write_bytes(b"rubbish")
    with pytest.raises(HeatpoolError, match="cannot resume"):
        train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path, resume=True)


def test_bad_splits_are_refused(tmp_path: Path) -> None:
    train, val = moving_clips(12), moving_clips(6, seed=1)
    labels = train.labels.clone()
    labels[[2, 5]] = -1
    with pytest.raises(
        HeatpoolError, match="the train split needs labels: 2 of 12 clips have no label, such as 's0-002'"
    ):
        train_network(StreamArchitecture(TINY), replace(train, labels=labels), val=val, out_dir=tmp_path)
    with pytest.raises(HeatpoolError, match="val split has 0 clips"):
        train_network(
            StreamArchitecture(TINY), train, val=val.subset(np.zeros(0, np.int64)), out_dir=tmp_path
        )
    other = replace(val, source={**val.source, "tap": "y"})
    with pytest.raises(HeatpoolError, match="tap is 'x', theirs 'y'"):
        train_network(StreamArchitecture(TINY), train, val=other, out_dir=tmp_path)
    assert not list(tmp_path.iterdir())


def test_divergence_is_said(tmp_path: Path) -> None:
    config = dataclasses.replace(TINY, optimizer="sgd", learning_rate=1e30, warmup_epochs=0)
    with pytest.raises(HeatpoolError, match="training diverged"):
        train_network(
            StreamArchitecture(config), moving_clips(24), val=moving_clips(6, seed=1), out_dir=tmp_path
        )


def test_learning_rates_by_hand() -> None:
    step = Recipe()
    assert learning_rate(step, 0) == pytest.approx(0.02)
    assert learning_rate(step, 4) == pytest.approx(0.1)
    assert learning_rate(step, 34) == pytest.approx(0.1)
    assert learning_rate(step, 35) == pytest.approx(0.01)
    assert learning_rate(step, 55) == pytest.approx(0.001)
    cosine = Recipe(schedule="cosine", epochs=10, warmup_epochs=0)
    assert learning_rate(cosine, 0) == pytest.approx(0.1)
    assert learning_rate(cosine, 5) == pytest.approx(0.05)


@pytest.mark.parametrize(
    "field",
    [
        {"stream": "speed"}, {"batch_size": 1}, {"learning_rate": 0.0}, {"learning_rate": float("nan")},
        {"p_interval": (0.9, 0.5)}, {"width": 6}, {"layers": ()}, {"optimizer": "adam"}, {"dropout": 1.0},
        {"noise_std": -1.0},
    ],
)  # fmt: skip
def test_impossible_recipes_are_refused(field: dict[str, object]) -> None:
    with pytest.raises(HeatpoolError, match="recipe: "):
        Recipe(**field)  # type: ignore[arg-type]
