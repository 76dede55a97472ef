from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from heatpool.classify.networks.normact import chunks, norm_act
from heatpool.classify.networks.pointwise import max_time, project


def norms(*sizes: int) -> list[nn.BatchNorm2d]:
    made = [nn.BatchNorm2d(size, dtype=torch.float64) for size in sizes]
    for norm in made:
        for tensor in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            tensor.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    return made


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("limit", [1, 1 << 30])  # floats at a time: one person, all of them
def test_joined_norms_equal_torch(
    training: bool, relu: bool, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heatpool.classify.networks.normact._CHUNK_FLOATS", limit)
    torch.manual_seed(0)
    inputs = [10 + torch.randn(3, size, 5, 4, dtype=torch.float64, requires_grad=True) for size in (2, 3)]
    residual = torch.randn(3, 5, 5, 4, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(2, dtype=torch.float64, requires_grad=True)
    ours = nn.ModuleList(norms(2, 3)).train(training)
    theirs = copy.deepcopy(ours)

    got = norm_act(inputs, list(ours), offsets=[offset, None], residual=residual, relu=relu)[0]
    parts = [theirs[0](inputs[0] + offset[:, None, None]), theirs[1](inputs[1])]
    expected = torch.cat(parts, 1) + residual
    expected = expected.relu() if relu else expected
    torch.testing.assert_close(got, expected)

    weights, leaves = torch.randn_like(got), [*inputs, residual, offset]
    gradients: list[tuple[Tensor, ...]] = [
        torch.autograd.grad((out * weights).sum(), [*leaves, *net.parameters()])
        for out, net in ((got, ours), (expected, theirs))
    ]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


def test_split_norms_equal_torch() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 5, 2, 4, dtype=torch.float64, requires_grad=True)
    ours = norms(2, 3)
    theirs = copy.deepcopy(ours)
    got = norm_act([x], ours, offsets=[None, None], split=True)
    expected = [norm(part).relu() for norm, part in zip(theirs, x.split([2, 3], 1), strict=True)]
    gradients = []
    for outs in (got, expected):
        gradients.append(torch.autograd.grad(outs[0].square().sum() + outs[1].sum(), x)[0])
    torch.testing.assert_close(list(got), expected)
    torch.testing.assert_close(*gradients)


def test_statistics_of_values_far_from_zero_stay_exact() -> None:
    x = 1000 + torch.randn(4, 2, 3, 50, generator=torch.Generator().manual_seed(0))
    norm = nn.BatchNorm2d(2)
    got = norm_act([x], [norm], offsets=[None], relu=False)[0]
    expected = nn.functional.batch_norm(x.double(), None, None, training=True)
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.double().var((0, 2, 3)).float())


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("steps", [1, 2, 7, 8])
def test_maximum_over_time_equals_max_pooling_ties_too(steps: int, stride: int) -> None:
    x = torch.randint(0, 3, (2, 3, 4, steps)).double().requires_grad_()
    got = max_time(x, stride=stride)
    expected = nn.functional.max_pool2d(x, (1, 3), (1, stride), (0, 1))
    assert torch.equal(got, expected)
    weights = torch.rand_like(got)
    gradients = [torch.autograd.grad((out * weights).sum(), x)[0] for out in (got, expected)]
    torch.testing.assert_close(*gradients)


@pytest.mark.parametrize("channels_last", [True, False])
def test_project_equals_a_convolution(channels_last: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "heatpool.classify.networks.pointwise._CHUNK_FLOATS", 200
    )  # several persons, not all, at a time
    x = torch.randn(5, 3, 4, 6, dtype=torch.float64)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    x.requires_grad_()
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    outs = [project(x, weight), nn.functional.conv2d(x, weight[:, :, None, None])]
    torch.testing.assert_close(*outs)
    gradients = [torch.autograd.grad(out.square().sum(), [x, weight]) for out in outs]
    torch.testing.assert_close(*gradients)


def test_chunks_cover_everything_once() -> None:
    def covered(persons: int, limit: int, device: str = "cpu") -> list[list[int]]:
        slices = chunks(persons, 10, limit=limit, device=torch.device(device))
        return [list(range(persons))[part] for part in slices]

    assert covered(5, 20) == [[0, 1], [2, 3], [4]]
    assert covered(5, 1) == [[0], [1], [2], [3], [4]]
    assert covered(5, 1, "cuda") == [[0, 1, 2, 3, 4]]
    assert covered(0, 1) == []
