"""The time a training is expected to take: what is measured is multiplied rightly, and touches nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.hpnet.recipe import SMALL, HPNetRecipe
from heatpool.classify.training.recipe import DEMO, HEADS, Recipe
from heatpool.pipelines.training import expected_time
from heatpool.pipelines.training.expected_time import describe_seconds, expect_seconds, random_clips
from heatpool.pipelines.training.joints import features_skeleton
from heatpool.pipelines.training.streams import HPNET, RunPlan, StreamJob
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.training.train_cases import CHANNELS, STEPS, make_store


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> RunPlan:
    folder = tmp_path_factory.mktemp("expected")
    store = FeatureStore.open(make_store(folder / "features.zarr"))
    rows = {split: store.clips.rows("xsub", split) for split in ("train", "val", "test")}
    return RunPlan(
        store=store, rows=rows, out=folder / "run", seed=0, device="cpu", threads=1, cache=LoaderCache(),
        resume=False, skeleton=features_skeleton(None, store),
    )  # fmt: skip


def job(plan: RunPlan, recipe: Recipe | HPNetRecipe, name: str = "pooled_joint") -> StreamJob:
    return StreamJob(name, recipe, plan)


def test_steps_epochs_and_validation_are_counted(plan: RunPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def step(architecture: Any, network: Any, shape: Any, clips: Any) -> float:
        sizes.append(len(clips))
        return 0.01 * len(clips)

    monkeypatch.setattr(expected_time, "time_step", step)
    # 20 train clips in batches of 10: 2 steps of 0.1 s an epoch; for 10 val clips a third of a step.
    recipe = replace(HEADS["linear"], batch_size=10, epochs=3)
    assert expect_seconds([job(plan, recipe)], threads=1) == pytest.approx(3 * (2 + 0.8 / 3) * 0.1)
    assert sizes == [8, 10]
    # No batch is larger than the clips there are; two streams take twice as long, one input is tried once.
    sizes.clear()
    two = [
        job(plan, replace(recipe, batch_size=64)),
        job(plan, replace(recipe, batch_size=64), "pooled_bone"),
    ]
    assert expect_seconds(two, threads=1) == pytest.approx(2 * 3 * (1 + 8 / 20 / 3) * 0.2)
    assert sizes == [8, 20]


def test_a_slow_step_is_not_tried_with_a_whole_batch(plan: RunPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expected_time, "time_step", lambda *given: 1.0)
    recipe = replace(DEMO, batch_size=16, epochs=1)
    assert expect_seconds([job(plan, recipe)], threads=1) == pytest.approx((2 + 8 / 16 / 3) * 2.0)


@pytest.mark.parametrize(
    "recipe", [HEADS["mlp"], replace(DEMO, layers=((1, 1),)), SMALL], ids=["mlp", "ctrgcn", HPNET]
)
def test_real_steps_take_time_and_leave_nothing(plan: RunPlan, recipe: Recipe | HPNetRecipe) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    threads = torch.get_num_threads()
    seconds = expect_seconds([job(plan, recipe, HPNET if recipe is SMALL else "pooled_joint")], threads=1)
    assert seconds is not None
    assert 0 < seconds < 3600
    assert torch.equal(torch.rand(2), expected)
    assert torch.get_num_threads() == threads
    assert not plan.out.exists()


def test_random_clips_have_the_sizes_of_the_store(plan: RunPlan) -> None:
    clips = random_clips(job(plan, HEADS["linear"]), 6)
    assert tuple(clips.features.shape) == (6, STEPS, 17, CHANNELS)  # one person in every clip of two slots
    assert clips.persons == 2
    assert clips.labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_what_cannot_be_measured_is_not_guessed(plan: RunPlan) -> None:
    crops = replace(SMALL, rgb="crops", image="somewhere")
    assert expect_seconds([job(plan, crops, HPNET)], threads=1) is None
    assert "known after the first epoch (1 x" in expected_time.describe_expected([job(plan, crops, HPNET)])


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "about 1 s"),
        (42.4, "about 42 s"),
        (90, "about 1.5 minutes"),
        (600, "about 10 minutes"),
        (9000, "about 2.5 hours"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert describe_seconds(seconds) == words
