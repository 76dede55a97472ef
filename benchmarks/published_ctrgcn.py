"""CTR-GCN as its authors wrote it: the baseline of `benchmarks.train`.

A plain rewrite of the published module, operation by operation: (N * M, C, T, V) activations, one einsum per
subset, every person slot computed, and the published names of all parameters. Only the counts are arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from heatpool.classify.networks.ctrgcn import PUBLISHED_LAYERS
from heatpool.classify.networks.graphconv import relation_channels


class _Refine(nn.Module):
    def __init__(self, channels: int, out: int) -> None:
        super().__init__()
        relations = relation_channels(channels)
        self.conv1 = nn.Conv2d(channels, relations, 1)
        self.conv2 = nn.Conv2d(channels, relations, 1)
        self.conv3 = nn.Conv2d(channels, out, 1)
        self.conv4 = nn.Conv2d(relations, out, 1)
        self.tanh = nn.Tanh()

    def forward(self, x: Tensor, topology: Tensor, alpha: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, K, T, V)."""
        x1, x2, x3 = self.conv1(x).mean(-2), self.conv2(x).mean(-2), self.conv3(x)
        x1 = self.tanh(x1.unsqueeze(-1) - x2.unsqueeze(-2))
        x1 = self.conv4(x1) * alpha + topology.unsqueeze(0).unsqueeze(0)
        return torch.einsum("ncuv,nctv->nctu", x1, x3)


class _Graph(nn.Module):
    def __init__(self, channels: int, out: int, adjacency: Tensor) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Refine(channels, out) for _ in adjacency)
        self.down: nn.Module = nn.Identity()
        if channels != out:
            self.down = nn.Sequential(nn.Conv2d(channels, out, 1), nn.BatchNorm2d(out))
        self.PA = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.bn = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, K, T, V)."""
        y: Tensor | None = None
        for conv, topology in zip(self.convs, self.PA, strict=True):
            z = conv(x, topology, self.alpha)
            y = z if y is None else z + y
        y = self.bn(y)
        y += self.down(x)
        return self.relu(y)


class _Convolve(nn.Module):
    def __init__(self, channels: int, out: int, kernel: int, *, stride: int, dilation: int = 1) -> None:
        super().__init__()
        pad = dilation * (kernel - 1) // 2
        self.conv = nn.Conv2d(channels, out, (kernel, 1), (stride, 1), (pad, 0), (dilation, 1))
        self.bn = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, K, T / stride, V)."""
        return self.bn(self.conv(x))


class _Time(nn.Module):
    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        part = channels // 4

        def head() -> list[nn.Module]:
            return [nn.Conv2d(channels, part, 1), nn.BatchNorm2d(part), nn.ReLU(inplace=True)]

        pool = nn.MaxPool2d((3, 1), (stride, 1), (1, 0))
        self.branches = nn.ModuleList(
            nn.Sequential(*head(), _Convolve(part, part, 5, stride=stride, dilation=each)) for each in (1, 2)
        )
        self.branches.append(nn.Sequential(*head(), pool, nn.BatchNorm2d(part)))
        self.branches.append(nn.Sequential(nn.Conv2d(channels, part, 1, (stride, 1)), nn.BatchNorm2d(part)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, C, T / stride, V)."""
        return torch.cat([branch(x) for branch in self.branches], 1)


class _Layer(nn.Module):
    def __init__(self, channels: int, out: int, stride: int, first: bool, adjacency: Tensor) -> None:
        super().__init__()
        self.gcn1 = _Graph(channels, out, adjacency)
        self.tcn1 = _Time(out, stride)
        self.relu = nn.ReLU(inplace=True)
        self.first = first
        self.residual: nn.Module = nn.Identity()
        if not first and (channels != out or stride != 1):
            self.residual = _Convolve(channels, out, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, V) -> (B, K, T / stride, V)."""
        return self.relu(self.tcn1(self.gcn1(x)) + (0 if self.first else self.residual(x)))


class PublishedCTRGCN(nn.Module):
    """The published network; loads the state dict of `heatpool.classify.networks.ctrgcn.CTRGCN`.

    Args:
        channels: C.
        classes: K.
        adjacency: (3, V, V) float32.
        persons: M.
        width: channels of the first layers.
        layers: (multiple of the width, stride in time) per layer.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        adjacency: Tensor,
        persons: int = 2,
        width: int = 64,
        layers: Sequence[tuple[int, int]] = PUBLISHED_LAYERS,
    ) -> None:
        super().__init__()
        self.data_bn = nn.BatchNorm1d(persons * channels * adjacency.shape[-1])
        widths = [channels, *(width * multiple for multiple, _ in layers)]
        self.depth = len(layers)
        for number, ((before, after), (_, stride)) in enumerate(
            zip(pairwise(widths), layers, strict=True), 1
        ):
            self.add_module(f"l{number}", _Layer(before, after, stride, number == 1, adjacency))
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Classify (N, C, T, V, M): (N, classes) logits."""
        n, c, t, v, m = x.shape
        x = x.permute(0, 4, 3, 1, 2).contiguous().view(n, m * v * c, t)
        x = self.data_bn(x)
        x = x.view(n, m, v, c, t).permute(0, 1, 3, 4, 2).contiguous().view(n * m, c, t, v)
        for number in range(1, self.depth + 1):
            x = self.get_submodule(f"l{number}")(x)
        return self.fc(x.view(n, m, x.shape[1], -1).mean(3).mean(1))
