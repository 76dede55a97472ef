"""Which model and recipe a training gets where the user leaves it open."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from heatpool.pipelines.cli import main
from heatpool.pipelines.options import TrainOptions
from heatpool.pipelines.training.recipe_choice import RecipeChoice, choose_preset, choose_recipe, read_begun
from tests.pipelines.training.train_cases import make_store


def choose(
    clips: int, classes: int, device: str = "cpu", begun: dict[str, Any] | None = None, **asked: Any
) -> Any:
    labels = np.arange(clips) % classes
    return choose_recipe(TrainOptions("store.zarr", **asked), labels, device=device, begun=begun)


@pytest.mark.parametrize(
    ("clips", "classes", "device", "model", "recipe"),
    [
        (12, 12, "cpu", "mlp", "small"),
        (12, 12, "cuda", "mlp", "small"),
        (99, 3, "cpu", "mlp", "small"),
        (100, 3, "cpu", "ctrgcn", "small"),
        (420, 60, "cpu", "mlp", "small"),  # 7 a class
        (480, 60, "cpu", "ctrgcn", "small"),
        (1_999, 60, "cuda", "ctrgcn", "small"),
        (2_000, 60, "cuda", "ctrgcn", "paper"),
        (40_000, 60, "cpu", "ctrgcn", "small"),
        (40_000, 60, "mps", "ctrgcn", "paper"),
    ],
)
def test_clips_and_device_decide(clips: int, classes: int, device: str, model: str, recipe: str) -> None:
    choice = choose(clips, classes, device)
    assert (choice.model, choice.recipe) == (model, recipe)
    per_class = np.median(np.bincount(np.arange(clips) % classes))
    assert f"for {clips:,} train clips, {per_class:g} a class" in choice.reason


def test_what_is_asked_for_is_done() -> None:
    choice = choose(12, 12, model="ctrgcn", recipe="paper")
    assert (choice.model, choice.recipe, choice.reason) == ("ctrgcn", "paper", "")
    (warning,) = choice.warnings
    assert warning.startswith("ctrgcn for 12 train clips, 1 a class: with so few mlp")
    assert choose(12, 12, recipe="paper").model == "ctrgcn"
    assert choose(12, 12, layers=((1, 1),)).model == "ctrgcn"
    assert choose(12, 12, model="ctrgcn").recipe == "small"
    assert choose(40_000, 60, "cuda", model="linear") == RecipeChoice("linear", "paper")
    reason = choose(5_000, 60, "cuda", model="hpnet").reason
    assert reason == "chosen: hpnet, paper recipe, for 5,000 train clips, 83 a class, on cuda"
    (warning,) = choose(420, 3, recipe="paper").warnings
    assert warning.startswith(
        "paper recipe for 420 train clips, 140 a class: it was made for tens of thousands"
    )
    assert choose(420, 3, recipe="small") == RecipeChoice("ctrgcn", "small")
    assert choose_preset("paper", clips=2, device="cpu") == "paper"
    assert choose_preset("auto", clips=5_000, device="cpu") == "small"


def test_a_run_that_is_resumed_stays_what_it_was() -> None:
    begun = {"model": "ctrgcn", "recipe": "paper"}
    assert choose(12, 12, begun=begun) == RecipeChoice("ctrgcn", "paper")
    assert choose(40_000, 60, "cuda", begun={"model": "mlp"}) == RecipeChoice("mlp", "small")
    assert choose(12, 12, begun={"recipe": {"width": 64}}) == RecipeChoice(
        "ctrgcn", "paper"
    )  # of an old build
    assert choose(12, 12, begun={"recipe": {"shared": {"width": 16}}, "model": "hpnet"}).recipe == "small"
    assert choose(12, 12, begun=begun, model="tcn").model == "tcn"


def test_what_was_chosen_is_said_before_training_and_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, run = make_store(tmp_path / "features.zarr"), tmp_path / "run"
    words = ["train", str(store), str(run), "--epochs", "2", "--device", "cpu", "--threads", "1", "--quiet"]
    assert read_begun(run) is None
    assert main(words) == 0
    lines = [line.partition(" ")[2] for line in (run / "log.txt").read_text().splitlines()]
    said = ("chosen: mlp, for 20 train clips, 10 a class", "expected")
    at = [number for number, line in enumerate(lines) if line.startswith(said)]
    first_epoch = next(n for n, line in enumerate(lines) if " epoch 0 of 2" in line)
    assert len(at) == 2
    assert max(at) < first_epoch
    assert "expected time: about" in lines[at[1]]
    assert "2 x 2 epochs of 20 clips" in lines[at[1]]
    assert any("xsub has 8 test clips" in line for line in lines[:first_epoch])
    begun = yaml.safe_load((run / "config.yaml").read_text())
    assert begun["model"] == "mlp"
    assert "recipe" not in begun  # a head has one only
    assert main([*words, "--resume"]) == 0
