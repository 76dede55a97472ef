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
@pytest.mark.parametrize("limit", [1, 1 << 30])  # floats at a time: one channel, all of them
def test_joined_norms_equal_torch(
    training: bool, relu: bool, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("heatpool.classify.networks.normact._CHUNK_FLOATS", limit)
    torch.manual_seed(0)
    x = 10 + torch.randn(5, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    residual = torch.randn(5, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    offset = torch.randn(2, dtype=torch.float64, requires_grad=True)
    ours = nn.ModuleList(norms(2, 3)).train(training)
    theirs = copy.deepcopy(ours)

    got = norm_act(x, list(ours), offsets=[offset, None], residual=residual, relu=relu)
    first, second = x.transpose(0, 1).split([2, 3], 1)  # persons outermost, as torch has it
    parts = [theirs[0](first + offset[:, None, None]), theirs[1](second)]
    expected = torch.cat(parts, 1).transpose(0, 1) + residual
    expected = expected.relu() if relu else expected
    torch.testing.assert_close(got, expected)

    weights, leaves = torch.randn_like(got), [x, residual, offset]
    gradients: list[tuple[Tensor, ...]] = [
        torch.autograd.grad((out * weights).sum(), [*leaves, *net.parameters()])
        for out, net in ((got, ours), (expected, theirs))
    ]
    for mine, other in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12)
    for mine, other in zip(ours.buffers(), theirs.buffers(), strict=True):
        torch.testing.assert_close(mine, other)


def test_statistics_of_values_far_from_zero_stay_exact() -> None:
    x = 1000 + torch.randn(2, 4, 3, 50, generator=torch.Generator().manual_seed(0))
    norm = nn.BatchNorm2d(2)
    got = norm_act(x, [norm], offsets=[None], relu=False)
    expected = nn.functional.batch_norm(x.double().transpose(0, 1), None, None, training=True).transpose(0, 1)
    torch.testing.assert_close(got.double(), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(norm.running_var, 0.9 + 0.1 * x.double().var((1, 2, 3)).float())


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


@pytest.mark.parametrize("channels_innermost", [True, False])
def test_project_equals_a_convolution(channels_innermost: bool) -> None:
    x = torch.randn(3, 5, 4, 6, dtype=torch.float64)
    if channels_innermost:
        x = x.permute(1, 2, 3, 0).contiguous().permute(3, 0, 1, 2)
    x.requires_grad_()
    weight = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    convolved = nn.functional.conv2d(x.transpose(0, 1), weight[:, :, None, None]).transpose(0, 1)
    outs = [project(x, weight), convolved]
    torch.testing.assert_close(*outs)
    gradients = [torch.autograd.grad(out.square().sum(), [x, weight]) for out in outs]
    torch.testing.assert_close(*gradients)


def test_chunks_cover_everything_once() -> None:
    def covered(count: int, limit: int, device: str = "cpu") -> list[list[int]]:
        slices = chunks(count, 10, limit=limit, device=torch.device(device))
        return [list(range(count))[part] for part in slices]

    assert covered(5, 20) == [[0, 1], [2, 3], [4]]
    assert covered(5, 1) == [[0], [1], [2], [3], [4]]
    assert covered(5, 1, "cuda") == [[0, 1, 2, 3, 4]]
    assert covered(0, 1) == []
