from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.classify.data.streams import STREAMS
from heatpool.classify.networks.heads import StatisticsHead
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.recipe import HEADS, ModelName, Recipe
from heatpool.classify.training.stream import StreamArchitecture, build_model, load_model
from heatpool.pipelines.options.train import STREAMS as OPTION_STREAMS
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from tests.classify.clip_cases import moving_clips

SHAPE = NetworkShape(channels=4, classes=3, persons=2)


def test_statistics_of_a_ramp_by_hand() -> None:
    """One joint that rises 0..7: mean 3.5, deviation sqrt(63 / 12), last quarter minus first 6.5 - 0.5."""
    head = StatisticsHead(1, 2, joints=1).eval()
    with torch.no_grad():
        head.layers[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 0, 1.0]]))
        head.layers[0].bias.zero_()
    x = torch.arange(8.0).view(1, 8, 1, 1)
    out = head.forward_packed(x, torch.tensor([0]), torch.tensor([0]), clips=1)
    expected = torch.tensor([[3.5, 6.0]]) / (1 + head.norm.eps) ** 0.5  # an untrained norm
    torch.testing.assert_close(out.detach(), expected)


@pytest.mark.parametrize("joints", [17, 133])
@pytest.mark.parametrize("model", list(HEADS))
def test_a_clips_scores_are_of_its_persons_alone(model: ModelName, joints: int) -> None:
    torch.manual_seed(0)
    recipe = dataclasses.replace(HEADS[model], graph="hpnet" if joints == 17 else "skeleton")
    head = build_model(recipe, SHAPE, Skeleton.unnamed(joints)).eval()
    x = torch.randn(3, 32, joints, 4)
    clip, slot = torch.tensor([0, 1, 1]), torch.tensor([0, 0, 1])
    with torch.no_grad():
        both = head.forward_packed(x, clip, slot, clips=2)
        alone = head.forward_packed(x[1:], clip[1:] - 1, slot[1:], clips=1)
    assert both.shape == (2, 3)
    torch.testing.assert_close(both[1:], alone)


@pytest.mark.parametrize("model", list(HEADS))
def test_small_heads_learn_motion_and_come_back_from_disk(model: ModelName, tmp_path: Path) -> None:
    train, val, test = moving_clips(96), moving_clips(15, seed=1), moving_clips(60, seed=2)
    config = dataclasses.replace(HEADS[model], batch_size=8, learning_rate=1e-2, window=12)
    run = train_network(StreamArchitecture(config), train, val=val, out_dir=tmp_path)
    best = load_model(run.best)
    assert best.recipe == config
    scores = predict_scores(best, test)
    assert (scores.scores.argmax(1) == scores.labels).mean() >= 0.7  # chance is a third
    again = predict_scores(load_model(run.best), test)
    np.testing.assert_array_equal(again.scores, scores.scores)


def test_a_probe_is_linear_in_its_statistics() -> None:
    head = build_model(HEADS["linear"], SHAPE)
    assert sum(parameter.numel() for parameter in head.parameters()) == 3 * 17 * 4 * 3 + 3


def test_unknown_models_are_refused() -> None:
    with pytest.raises(HeatpoolError, match="model must be one of ctrgcn, linear, mlp, tcn"):
        Recipe(model="lstm")  # type: ignore[arg-type]


def test_the_command_knows_the_streams_there_are() -> None:
    assert STREAMS == OPTION_STREAMS
