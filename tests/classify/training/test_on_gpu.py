"""Training on a GPU: every tensor of it lies there, and a pretended one gives the CPU's numbers."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.hpnet.architecture import HPNetArchitecture, build_hpnet, load_hpnet
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.stream import StreamArchitecture, load_model
from tests.classify.clip_cases import moving_clips
from tests.classify.hpnet.hpnet_cases import clips_with_rgb, recipe, shape_of
from tests.fixtures.pretend_gpu import pretend_gpu

STREAMS = [
    Recipe(
        epochs=1, batch_size=4, optimizer=optimizer, learning_rate=2e-2, window=8, width=8, model=model,
        layers=((1, 1), (2, 2)), dropout=0.05, noise_std=0.02, grad_clip=1.0,
    )
    for model, optimizer in [("ctrgcn", "sgd"), ("tcn", "adamw")]
]  # fmt: skip


def train_stream(config: Recipe, out: Path, *, device: str) -> tuple[list[dict[str, float]], np.ndarray]:
    train, val = moving_clips(8), moving_clips(4, seed=1)
    architecture = StreamArchitecture(dataclasses.replace(config, device=device))
    run = train_network(architecture, train, val=val, out_dir=out)
    return [report.figures for report in run.history], predict_scores(load_model(run.best), val).scores


def train_hpnet(out: Path, *, device: str) -> tuple[list[dict[str, float]], np.ndarray]:
    train, val = clips_with_rgb(4), clips_with_rgb(2, seed=1)
    config = recipe(mixup=0.8, shared={"epochs": 1, "batch_size": 2, "accumulation": 2, "device": device})
    network = build_hpnet(config, shape_of(train))
    architecture = HPNetArchitecture(config)
    run = train_network(architecture, train, network=network, shape=shape_of(train), val=val, out_dir=out)
    return [report.figures for report in run.history], predict_scores(load_hpnet(run.best), val).scores


@pytest.mark.parametrize("config", STREAMS, ids=lambda each: f"{each.model}, {each.optimizer}")
def test_streams_train_there_as_here(config: Recipe, tmp_path: Path) -> None:
    wanted, wanted_scores = train_stream(config, tmp_path / "here", device="cpu")
    with pretend_gpu() as gpu:
        figures, scores = train_stream(config, tmp_path / "there", device=str(gpu))
    assert figures == wanted
    np.testing.assert_array_equal(scores, wanted_scores)


def test_hpnet_trains_there_as_here(tmp_path: Path) -> None:
    wanted, wanted_scores = train_hpnet(tmp_path / "here", device="cpu")
    with pretend_gpu() as gpu:
        figures, scores = train_hpnet(tmp_path / "there", device=str(gpu))
    for mine, theirs in zip(figures, wanted, strict=True):  # attention is computed in another order there
        assert mine == pytest.approx(theirs, rel=1e-4)
    np.testing.assert_allclose(scores, wanted_scores, rtol=1e-3, atol=1e-3)


@pytest.mark.gpu
@pytest.mark.parametrize("config", STREAMS, ids=lambda each: f"{each.model}, {each.optimizer}")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_streams_train_on_a_gpu(config: Recipe, dtype: str, tmp_path: Path) -> None:
    """The CPU's random numbers choose, crop and add noise; dropout's are the GPU's own."""
    config = dataclasses.replace(config, dropout=0.0, epochs=4)
    wanted, _ = train_stream(config, tmp_path / "here", device="cpu")
    found, scores = train_stream(dataclasses.replace(config, dtype=dtype), tmp_path / "there", device="cuda")
    near = 1e-3 if dtype == "float32" else 0.1
    assert found[0]["train/loss"] == pytest.approx(wanted[0]["train/loss"], rel=near)
    assert np.isfinite(scores).all()
