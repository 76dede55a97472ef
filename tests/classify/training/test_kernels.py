"""The choice between CTR-GCN's two ways to compute, with pretended times."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.training import kernels
from heatpool.classify.training.architecture import NetworkShape
from heatpool.classify.training.recipe import Recipe, TrainDtype
from heatpool.classify.training.stream import StreamArchitecture
from tests.classify.clip_cases import moving_clips

RECIPE = Recipe(batch_size=4, window=8, width=8, layers=((1, 1), (2, 2)))


@pytest.mark.parametrize(("plain_s", "way"), [(0.001, "torch's own"), (0.004, "heatpool's kernels")])
def test_the_faster_way_is_taken_and_said(
    plain_s: float, way: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sizes = []

    def time_step(architecture: Any, network: nn.Module, shape: NetworkShape, clips: Any) -> float:
        assert isinstance(network, CTRGCN)
        sizes.append(len(clips))
        nn.init.zeros_(network.fc.weight)  # a copy is trained, not the network itself
        return plain_s if network.plain else 0.002

    monkeypatch.setattr(kernels, "time_step", time_step)
    with caplog.at_level(logging.INFO):
        begun = kernels.choose_kernels(StreamArchitecture(RECIPE), moving_clips(12))
    assert sizes == [4, 4]
    assert begun["network"].plain == (plain_s < 0.002)
    assert begun["network"].fc.weight.any()
    assert f"CTR-GCN computes by {way}" in caplog.text


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_gpu_decides(dtype: TrainDtype, caplog: pytest.LogCaptureFixture) -> None:
    recipe = replace(RECIPE, device="cuda", dtype=dtype)
    with caplog.at_level(logging.INFO):
        begun = kernels.choose_kernels(StreamArchitecture(recipe), moving_clips(12))
    assert "CTR-GCN computes by" in caplog.text
    assert next(begun["network"].parameters()).device.type == "cpu"  # its copies were trained there


def test_both_ways_give_the_same_logits_and_gradients() -> None:
    network = StreamArchitecture(RECIPE).build(NetworkShape(channels=3, classes=4, persons=2)).double()
    x = torch.rand(3, 2, 8, 17, 3, dtype=torch.float64)
    present = torch.tensor([[True, True], [True, False], [False, True]])
    found = []
    for plain in (False, True):
        network.plain = plain
        logits = network(x, present)
        found.append([logits, *torch.autograd.grad(logits.logsumexp(1).sum(), list(network.parameters()))])
    torch.testing.assert_close(*found)


def test_a_network_without_ctrgcn_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(kernels, "time_step")
    begun = kernels.choose_kernels(StreamArchitecture(Recipe(model="linear")), moving_clips(12))
    assert set(begun) == {"network", "shape"}
