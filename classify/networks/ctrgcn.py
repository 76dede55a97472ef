"""CTR-GCN (Chen et al., ICCV 2021) with the published state-dict names, packed by person.

Axis letters: N clips, M person slots, P persons present (packed), T steps, V joints, C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from heatpool.classify.networks.graph import PUBLISHED_LAYERS
from heatpool.classify.networks.graphconv import GraphConvUnit
from heatpool.classify.networks.normact import norm_act
from heatpool.classify.networks.plain import plain_layers
from heatpool.classify.networks.pointwise import matrix, max_time, project

__all__ = ["CTRGCN", "pack_persons"]

_KERNEL = 5
_DILATIONS = (1, 2)


class _PooledBranch(nn.Sequential):
    """Parameters of the max-pooling branch: convolution 0, norm 1, (ReLU, pool), norm 4."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, 1),
            nn.BatchNorm2d(channels),
            nn.Identity(),
            nn.Identity(),
            nn.BatchNorm2d(channels),
        )


class _ConvNorm(nn.Module):
    """Parameters of a temporal convolution (kernel x 1) and its norm."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, (kernel, 1))
        self.bn = nn.BatchNorm2d(out_channels)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]


class _TemporalUnit(nn.Module):
    """Multi-scale temporal convolution: dilations 1 and 2, max pooling, 1x1, side by side.

    Args:
        channels: in and out; a quarter goes through each branch.
        stride: in time.
    """

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        quarter = channels // 4
        self.stride = stride
        self.branches = nn.ModuleList()
        for _ in _DILATIONS:
            head = (nn.Conv2d(channels, quarter, 1), nn.BatchNorm2d(quarter), nn.Identity())
            self.branches.append(nn.Sequential(*head, _ConvNorm(quarter, quarter, _KERNEL)))
        self.branches.append(_PooledBranch(channels, quarter))
        self.branches.append(nn.Sequential(nn.Conv2d(channels, quarter, 1), nn.BatchNorm2d(quarter)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)

    def forward(self, x: Tensor, residual: Tensor | None) -> Tensor:
        """(P, C, V, T) -> (P, C, V, T / stride), with the layer's residual and ReLU."""
        *wide, point = list[Any](self.branches)
        heads = [branch[0] for branch in wide]
        if self.stride == 1:  # all four branches begin with a product at the same steps
            product = project(x, matrix([*heads, point[0]]))
            hidden, pointed = product.split([product.shape[1] * 3 // 4, product.shape[1] // 4], 1)
        else:
            hidden = project(x, matrix(heads))
            pointed = project(x[..., :: self.stride].contiguous(), matrix([point[0]]))
        offsets = [head.bias for head in heads]
        *looking, peak = norm_act([hidden], [branch[1] for branch in wide], offsets=offsets, split=True)
        convs = [branch[3].conv for branch in wide[:2]]
        outs = [
            _convolve_time(part, conv, dilation=dilation, stride=self.stride)
            for part, conv, dilation in zip(looking, convs, _DILATIONS, strict=True)
        ]
        outs += [max_time(peak, stride=self.stride), pointed]
        norms = (wide[0][3].bn, wide[1][3].bn, wide[2][4], point[1])
        offsets = [*(conv.bias for conv in convs), None, point[0].bias]
        return norm_act(outs, norms, offsets=offsets, residual=residual)[0]


def _convolve_time(x: Tensor, conv: nn.Conv2d, *, dilation: int, stride: int) -> Tensor:
    """Convolve (P, C, V, T) along T with zero padding that keeps T / stride steps; the bias is left out."""
    return nn.functional.conv2d(
        x,
        conv.weight.transpose(2, 3),
        stride=(1, stride),
        padding=(0, dilation * (_KERNEL - 1) // 2),
        dilation=(1, dilation),
    )


class _Layer(nn.Module):
    """Graph convolution, temporal convolution, residual, ReLU (published `TCN_GCN_unit`)."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, first: bool, adjacency: Tensor):
        super().__init__()
        self.gcn1 = GraphConvUnit(in_channels, out_channels, adjacency)
        self.tcn1 = _TemporalUnit(out_channels, stride)
        self.stride, self.first = stride, first
        self.residual: _ConvNorm | None = None
        if not first and (in_channels != out_channels or stride != 1):
            self.residual = _ConvNorm(in_channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(P, C, V, T) -> (P, K, V, T / stride)."""
        residual: Tensor | None = None if self.first else x
        if self.residual is not None:
            conv, norm = self.residual.conv, self.residual.bn
            thin = project(x[..., :: self.stride].contiguous(), matrix([conv]))
            (residual,) = norm_act([thin], [norm], offsets=[conv.bias], relu=False)
        out: Tensor = self.tcn1(self.gcn1(x), residual)
        return out


def pack_persons(x: Tensor, present: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the persons that are there.

    Args:
        x: (N, M, T, V, C).
        present: (N, M) bool.

    Returns:
        The (P, T, V, C) persons in order of clip and slot, the clip (P,) int64 and slot (P,) int64 of each.

    Raises:
        ValueError: if the first two axes differ.
    """
    if x.shape[:2] != present.shape:
        raise ValueError(f"expected present of shape {tuple(x.shape[:2])}, got {tuple(present.shape)}")
    clip, slot = present.nonzero(as_tuple=True)
    return x[clip, slot], clip, slot


class CTRGCN(nn.Module):
    """CTR-GCN classifier of skeleton features; computes only persons that are present.

    Args:
        in_channels: C.
        num_classes: K.
        adjacency: (3, V, V) float32, `JointGraph.adjacency()`.
        persons: M, slots that the input norm tells apart.
        width: channels of the first layers (64 as published); a multiple of 4.
        layers: (multiple of the width, stride in time) per layer.
        dropout: before the last linear layer.

    Attributes:
        plain: compute by torch's own operations, not by the kernels beside this file.

    Raises:
        ValueError: if a number makes no network.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        adjacency: Tensor,
        persons: int = 2,
        width: int = 64,
        layers: Sequence[Sequence[int]] = PUBLISHED_LAYERS,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if min(in_channels, num_classes, persons, width, len(layers)) < 1 or width % 4:
            raise ValueError(
                "expected counts >= 1 and a width that is a multiple of 4, got "
                f"{in_channels=} {num_classes=} {persons=} {width=} layers={len(layers)}"
            )
        self.persons, self.joints = persons, adjacency.shape[-1]
        self.depth = len(layers)
        self.plain = False
        self.data_bn = nn.BatchNorm1d(persons * self.joints * in_channels)
        channels = in_channels
        for number, (multiple, stride) in enumerate(layers, 1):
            layer = _Layer(channels, width * multiple, stride, number == 1, adjacency)
            self.add_module(f"l{number}", layer)
            channels = width * multiple
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels, num_classes)
        nn.init.normal_(self.fc.weight, 0, math.sqrt(2 / num_classes))

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Classify clips.

        Args:
            x: (N, M, T, V, C) float32.
            present: (N, M) bool; absent persons are neither computed nor counted.

        Returns:
            (N, num_classes) logits.
        """
        packed, clip, slot = pack_persons(x, present)
        return self.forward_packed(packed, clip, slot, clips=len(x))

    def forward_packed(self, x: Tensor, clip: Tensor, slot: Tensor, *, clips: int) -> Tensor:
        """Classify packed persons: x (P,T,V,C), clip and slot (P,) int64 -> (clips, num_classes) logits."""
        logits: Tensor = self.fc(self.dropout(self.features(x, clip, slot, clips=clips)))
        return logits

    def features(self, x: Tensor, clip: Tensor, slot: Tensor, *, clips: int) -> Tensor:
        """Return (clips, width * last multiple): the mean over joints, steps and the persons of each clip."""
        hidden, order = self._normalise(x, slot)
        if self.plain:
            person = plain_layers(self, hidden.permute(0, 3, 2, 1).contiguous())
        else:
            # the first layer's products read channels last as they read channels first
            hidden = hidden.permute(0, 3, 1, 2)
            for number in range(1, self.depth + 1):
                hidden = self.get_submodule(f"l{number}")(hidden)
            person = hidden.mean((2, 3))
        # clips have one person or more: a mean of those that are there, not of all slots
        summed = person.new_zeros(clips, person.shape[1]).index_add(0, clip[order], person)
        counts = torch.bincount(clip, minlength=clips).clamp(min=1)
        return summed / counts.unsqueeze(1)

    def _normalise(self, x: Tensor, slot: Tensor) -> tuple[Tensor, Tensor]:
        """Apply the input norm, whose statistics are kept per slot, joint and channel, to (P, T, V, C).

        Returns:
            The persons slot by slot, (P, V, T, C) contiguous, and which row (P,) each of them was.
        """
        norm: Any = self.data_bn
        size = self.joints * x.shape[-1]
        affine = [
            part.view(self.persons, size)
            for part in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        ]
        rows = x.flatten(2).unsqueeze(1)  # (P, 1, T, V*C)
        # slot by slot, for each has its own statistics; absent persons would spoil those of a joint pass
        order = [(slot == number).nonzero().squeeze(1) for number in range(self.persons)]
        parts = []
        for mine, *values in zip(order, *affine, strict=True):
            if len(mine) == 0:
                continue
            mean, var, weight, bias = values
            chosen = rows if len(mine) == len(rows) else rows[mine]
            normed = nn.functional.batch_norm(
                chosen.permute(0, 3, 1, 2), mean, var, weight, bias, norm.training, 0.1, norm.eps
            ).permute(0, 2, 3, 1)
            parts.append(normed.view(-1, *x.shape[1:]).transpose(1, 2))
        if norm.training:
            norm.num_batches_tracked.add_(1)
        return torch.cat(parts or [x.transpose(1, 2)]), torch.cat(order)
