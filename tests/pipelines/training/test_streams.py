"""`heatpool train` with streams, heads and seeds chosen; what it records; a run that is killed."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import yaml

from heatpool.classify.scores.scores import load_scores
from heatpool.classify.training.stream import load_model
from heatpool.pipelines.cli import main
from heatpool.pipelines.options import TrainOptions
from heatpool.pipelines.training import streams
from tests.paths import ROOT
from tests.pipelines.training.train_cases import make_store, train

FAST = ("--epochs", "3", "--batch-size", "4", "--quiet")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


def test_names_of_streams() -> None:
    def names(**options: object) -> tuple[str, ...]:
        return TrainOptions(**options).stream_names  # type: ignore[arg-type]

    assert names() == ("pooled_joint", "keypoints_joint")
    assert names(input="keypoints") == ("keypoints_joint",)
    four = ("joint", "bone", "joint_motion", "bone_motion")
    assert names(streams=four) == (
        "pooled_joint", "pooled_bone", "pooled_joint_motion", "pooled_bone_motion",
    )  # fmt: skip
    assert names(streams=four, input="keypoints")[3] == "keypoints_bone_motion"
    assert names(streams=("pooled_joint", "keypoints_bone")) == ("pooled_joint", "keypoints_bone")
    assert names(input="pooled_and_map_mean") == ("pooled_and_map_mean_joint",)
    assert names(streams=("map_mean_joint", "bone")) == ("map_mean_joint", "pooled_bone")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"streams": ("speed",)}, "expected --streams of joint, bone"),
        ({"streams": ("joint", "pooled_joint")}, "each once"),
        ({"streams": ("pooled_joint",), "input": "keypoints"}, "expected streams of --input keypoints"),
        (
            {"streams": ("pooled_and_map_mean_joint",), "input": "pooled"},
            "expected streams of --input pooled",
        ),
        ({"streams": ("joint",), "model": "hpnet"}, "it has its own"),
        ({"seeds": 0}, "--seeds from 1 to 1,000"),
    ],
)
def test_wrong_streams_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainOptions(**options)  # type: ignore[arg-type]


def test_four_streams_are_read_once_and_fused(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    load = streams.load_splits

    def counted(*words: object, **options: object) -> object:
        reads.append(options["input"])
        return load(*words, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(streams, "load_splits", counted)
    four = ("--model", "tcn", "--streams", "joint,bone,joint_motion,keypoints_bone_motion")
    assert train(store, tmp_path / "run", *four, *FAST) == 0
    assert sorted(reads) == ["keypoints", "pooled"]
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    names = ["pooled_joint", "pooled_bone", "pooled_joint_motion", "keypoints_bone_motion"]
    assert list(summary["streams"]) == list(summary["fused"]["weights"]) == names
    for name in names:
        best = load_model(tmp_path / "run" / name / "checkpoints" / "best.safetensors")
        assert best.source["input"] == name.partition("_")[0]
        assert best.recipe.stream == name.partition("_")[2]
    assert main(["evaluate", str(tmp_path / "run"), "--device", "cpu", "--threads", "1"]) == 0
    seen = []
    for name in names:
        one, again = (
            load_scores(tmp_path / "run" / inside / name / "scores_test.npz").scores
            for inside in ("", "evaluate-test")
        )
        np.testing.assert_array_equal(one, again)  # each stream's scores lie in its own folder
        seen.append(one)
    assert not any(np.array_equal(seen[0], other) for other in seen[1:])


@pytest.mark.slow
def test_streams_side_by_side_are_those_trained_in_turn(store: Path, tmp_path: Path) -> None:
    words = ("--model", "ctrgcn", "--streams", "pooled_joint,keypoints_joint,pooled_bone", *FAST)
    for threads in ("1", "2"):
        assert train(store, tmp_path / threads, *words, "--threads", threads) == 0
    for name in ("pooled_joint", "keypoints_joint", "pooled_bone"):
        one, two = (load_scores(tmp_path / run / name / "scores_test.npz").scores for run in ("1", "2"))
        np.testing.assert_array_equal(one, two)
    assert "2 side by side" in (tmp_path / "2" / "log.txt").read_text()


@pytest.mark.parametrize("model", ["linear", "mlp", "tcn"])
def test_small_heads_give_a_number(store: Path, tmp_path: Path, model: str) -> None:
    words = ("--model", model, "--streams", "joint", "--quiet")
    assert train(store, tmp_path / "run", *words) == 0
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["fused"]["test"]["acc/top1"] == 1.0  # the classes are far apart
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["model"], config["optimizer"]) == (model, "adamw")
    assert f"train --config {tmp_path / 'run' / 'config.yaml'}" in (tmp_path / "run/report.html").read_text()


def test_several_seeds_are_summarised(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    words = ("--model", "tcn", "--streams", "joint", "--epochs", "1", "--seed", "4", "--seeds", "2")
    assert train(store, run, *words) == 0
    assert "test, 2 seeds" in capsys.readouterr().out
    content = json.loads((run / "seeds.json").read_text())
    assert content["seeds"] == [4, 5]
    summaries = [json.loads((run / f"seed_{seed}" / "summary.json").read_text()) for seed in (4, 5)]
    values = [summary["streams"]["pooled_joint"]["val"]["acc/top1"] for summary in summaries]
    figure = content["figures"]["pooled_joint"]["val"]["acc/top1"]
    assert figure["values"] == values
    assert figure["mean"] == pytest.approx(np.mean(values))
    assert figure["std"] == pytest.approx(np.std(values, ddof=1))
    scores = [load_scores(run / f"seed_{seed}" / "scores_test.npz").scores for seed in (4, 5)]
    assert not np.array_equal(scores[0], scores[1])
    single = tmp_path / "single"
    assert train(store, single, *words[:-2], "--seed", "5", "--quiet") == 0
    np.testing.assert_array_equal(load_scores(single / "scores_test.npz").scores, scores[1])
    page = (run / "report.html").read_text()
    assert "Over 2 seeds" in page
    assert "is of seed 4</strong>, the first one, not the best" in page
    assert main(["evaluate", str(run), "--device", "cpu", "--threads", "1"]) == 0
    for seed, summary in zip((4, 5), summaries, strict=True):
        again = json.loads((run / "evaluate-test" / f"seed_{seed}" / "evaluation.json").read_text())
        assert again["fused"]["test"] == summary["fused"]["test"]
    assert main(["compare", str(run), str(single), "--n-bootstrap", "100"]) == 0
    out = capsys.readouterr().out
    assert "2 and 1 seeds" in out
    assert "McNemar's test is of two single seeds" in out


def test_epochs_are_logged_once_over_a_resumption(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With TensorBoard's writer, too, which stands in here for itself."""
    events: list[tuple[str, str, int]] = []

    class SummaryWriter:
        def __init__(self, folder: str) -> None:
            self.folder = Path(folder)

        def add_scalar(self, name: str, value: float, step: int) -> None:
            assert np.isfinite(value)
            events.append((str(self.folder.relative_to(tmp_path / "run")), name, step))

        def flush(self) -> None:
            pass

    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = SummaryWriter  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    words = ("--model", "linear", "--streams", "joint", *FAST)
    assert train(store, tmp_path / "run", *words) == 0
    assert train(store, tmp_path / "run", *words, "--resume") == 0
    log = (tmp_path / "run" / "log.txt").read_text().splitlines()
    epochs = [line for line in log if "pooled_joint epoch" in line]
    assert [line.split("epoch ")[1][0] for line in epochs] == ["0", "1", "2"]
    assert "val/acc/top1" in epochs[0]
    assert sum("training on" in line for line in log) == 2  # both commands
    assert any("mean class" in line for line in log)
    top1 = [event for event in events if event[1] == "val/acc/top1"]
    assert top1 == [("pooled_joint/events", "val/acc/top1", step) for step in range(3)]


KILLED = """
import sys, time
from pathlib import Path
from heatpool.classify.training import history, optim
from heatpool.pipelines.training import expected_time
expected_time.time_step = lambda *sizes: 0.0  # takes steps before the training does
history._SAVE_EVERY_S = 0.0  # every epoch, however short
step, steps = optim.AdamW.step, []
def step_until_killed(self, *words, **options):
    steps.append(1)
    if len(steps) == 13:
        Path(sys.argv[1]).touch()
        time.sleep(600)
    return step(self, *words, **options)
optim.AdamW.step = step_until_killed
from heatpool.pipelines.cli import main
sys.exit(main(sys.argv[2:]))
"""


def test_a_run_killed_within_an_epoch_ends_as_an_uninterrupted_one(store: Path, tmp_path: Path) -> None:
    """SIGKILL in the third step of the third epoch of five steps each, then --resume."""
    words = ("--streams", "joint", "--epochs", "4", "--batch-size", "4", "--quiet")
    assert train(store, tmp_path / "whole", *words) == 0
    out, marker = tmp_path / "cut", tmp_path / "marker"
    options = ["--features", str(store), "--out", str(out), "--device", "cpu", "--threads", "1"]
    command = [sys.executable, "-c", KILLED, str(marker), "train", *options, *words]
    child = subprocess.Popen(command, cwd=ROOT)
    try:
        while not marker.exists():
            assert child.poll() is None, "the training ended before it was to be killed"
            time.sleep(0.05)
    finally:
        child.kill()
    assert child.wait() == -signal.SIGKILL
    with (out / "pooled_joint" / "metrics.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    assert train(store, out, *words, "--resume") == 0
    whole, resumed = (json.loads((run / "summary.json").read_text()) for run in (tmp_path / "whole", out))
    for summary in (whole, resumed):
        del summary["streams"]["pooled_joint"]["seconds"]
    assert resumed == whole
    for name in ("metrics.csv", "checkpoints/best.safetensors", "checkpoints/last.safetensors"):
        one, other = ((run / "pooled_joint" / name).read_bytes() for run in (tmp_path / "whole", out))
        assert one == other, name
