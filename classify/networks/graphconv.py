"""Channel-wise topology refinement graph convolution, arranged for the CPU.

Axis letters: C channels in, K channels out, P persons, V (or U) joints, T steps, S = 3 subsets, R relation
channels. All activations are (C, P, V, T), contiguous but for the network's input: a 1x1 convolution is one
product for the whole batch, a channel's values lie side by side for its norm, and the joints of a channel
and person are mixed where they lie.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from heatpool.classify.networks.normact import chunks, norm_act, wide_dtype
from heatpool.classify.networks.pointwise import autocast, matrix, project

__all__ = ["GraphConvUnit", "relation_channels"]

_CHUNK_FLOATS = 1 << 20
"""Floats of topology and projected features worked on at a time: what a second-level cache holds."""


def relation_channels(in_channels: int) -> int:
    """Return R: in_channels / 8; 8 for raw coordinates (published for 3 and 9, here all below 16)."""
    return 8 if in_channels < 16 else in_channels // 8


class _RefineAggregate(torch.autograd.Function):
    """y[k,p,u,t] = sum over s, v of A[s,k,p,u,v] * (W3 x + b3)[s,k,p,v,t].

    A = base + W4 @ relation is too large to keep (867 floats per person and channel), so persons are worked on
    in chunks that stay in cache and A is made again in the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w3: Tensor, relation: Tensor, w4: Tensor, base: Tensor) -> Tensor:
        """Return y (K, P, V, T).

        Shapes: x (C,P,V,T), w3 (S,K,C+1) with b3 as its last column, relation (S,R,P,V*V), w4 (S,K,R),
        base (S,K,V*V).
        """
        subsets, out_channels, _ = w3.shape
        y = x.new_empty(out_channels, *x.shape[1:])
        # a channel of ones brings the bias into the product, and its gradient into that of the weights
        rows = torch.cat([x.flatten(2), x.new_ones(1, x.shape[1], x[0, 0].numel())])
        kept = []
        for part in _parts(y, subsets):
            z = torch.mm(w3.flatten(0, 1), rows[:, part].flatten(1)).view(subsets, -1, *x.shape[2:])
            topology = _topology(relation[:, :, part], w4, base)
            out = torch.bmm(topology[0], z[0])
            for subset in range(1, subsets):
                out.baddbmm_(topology[subset], z[subset])
            y[:, part] = out.view_as(y[:, part])
            kept.append(z)  # z, not A: A is the larger one, and cheaper to make again
        ctx.save_for_backward(rows, w3, relation, w4, base, *kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        rows, w3, relation, w4, base, *kept = ctx.saved_tensors
        weight, grad_x, grad_relation = (
            w3.flatten(0, 1),
            torch.empty_like(rows[:-1]),
            torch.empty_like(relation),
        )
        # added up over the persons: bfloat16 would lose the small ones
        wide = wide_dtype(rows.dtype)
        grad_w3, grad_w4, grad_base = (torch.zeros_like(each, dtype=wide) for each in (weight, w4, base))
        for part, z in zip(_parts(grad, len(w3)), kept, strict=True):
            gy = grad[:, part].reshape(-1, *grad.shape[2:])
            topology = _topology(relation[:, :, part], w4, base)
            da, dz = torch.empty_like(topology), torch.empty_like(z)
            for subset, each in enumerate(topology):
                torch.bmm(each.mT, gy, out=dz[subset])
                torch.bmm(gy, z[subset].mT, out=da[subset])
            flat, mine = dz.view(len(weight), -1), rows[:, part].flatten(1)
            grad_w3 += torch.mm(flat, mine.t())
            grad_x[:, part] = torch.mm(weight[:, :-1].t(), flat).view_as(grad_x[:, part])
            da = da.view(*base.shape[:2], -1, base.shape[2])
            grad_base += da.sum(2)
            grad_w4 += torch.bmm(da.flatten(2), relation[:, :, part].flatten(2).mT)
            found = torch.bmm(w4.mT, da.flatten(2))
            grad_relation[:, :, part] = found.view_as(grad_relation[:, :, part])
        grad_x = grad_x.unflatten(2, grad.shape[2:])
        return grad_x, grad_w3.view_as(w3), grad_relation, grad_w4, grad_base


def _parts(y: Tensor, subsets: int) -> Iterator[slice]:
    """Return the slices of persons of y (K, P, V, T) to work on at a time."""
    out_channels, persons, joints, steps = y.shape
    floats = out_channels * subsets * joints * (joints + steps)
    return chunks(persons, floats, limit=_CHUNK_FLOATS, device=y.device)


def _topology(relation: Tensor, w4: Tensor, base: Tensor) -> Tensor:
    """Return A (S, K*P, V, V) of relation (S,R,P,V*V), w4 (S,K,R), base (S,K,V*V)."""
    topology = torch.bmm(w4, relation.flatten(2)).view(*base.shape[:2], -1, base.shape[2])
    joints = math.isqrt(base.shape[2])
    return topology.add_(base.unsqueeze(2)).view(len(base), -1, joints, joints)


class _Refinement(nn.Module):
    """Parameters of one subset's topology refinement, under their published names."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        relations = relation_channels(in_channels)
        self.conv1 = nn.Conv2d(in_channels, relations, 1)
        self.conv2 = nn.Conv2d(in_channels, relations, 1)
        self.conv3 = nn.Conv2d(in_channels, out_channels, 1)
        self.conv4 = nn.Conv2d(relations, out_channels, 1)


class GraphConvUnit(nn.Module):
    """CTR-GC over three subsets, batch norm, residual, ReLU (CTR-GCN section 3.3, `unit_gcn`).

    Args:
        in_channels: C.
        out_channels: K.
        adjacency: (3, V, V) float32, where the learned topology PA starts.
    """

    def __init__(self, in_channels: int, out_channels: int, adjacency: Tensor) -> None:
        super().__init__()
        self.convs = nn.ModuleList(_Refinement(in_channels, out_channels) for _ in adjacency)
        self.down: Any = None
        if in_channels != out_channels:
            self.down = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1), nn.BatchNorm2d(out_channels))
        self.PA = nn.Parameter(adjacency.clone())
        self.alpha = nn.Parameter(torch.zeros(1))
        self.bn = nn.BatchNorm2d(out_channels)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        nn.init.constant_(self.bn.weight, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        """(C, P, V, T) -> (K, P, V, T)."""
        residual = x
        if self.down is not None:
            conv, norm = self.down
            residual = norm_act(project(x, matrix([conv])), [norm], offsets=[conv.bias], relu=False)
        return norm_act(self._aggregate(x), [self.bn], offsets=[None], residual=residual)

    def _aggregate(self, x: Tensor) -> Tensor:
        """Project, refine the topology by the joints' relations and mix joints: (C,P,V,T) -> (K,P,V,T)."""
        _, persons, joints, _ = x.shape
        convs: list[Any] = list(self.convs)
        # a 1x1 convolution and the mean over time commute, and the mean first is T times cheaper
        halves = [conv.conv1 for conv in convs] + [conv.conv2 for conv in convs]
        bias = torch.cat([half.bias for half in halves])
        pairs = torch.mm(matrix(halves), x.mean(3).flatten(1)) + bias[:, None]
        sender, receiver = pairs.view(2, len(convs), -1, persons, joints)  # each (S, R, P, V)
        # (S, R, P, U, V): what joint u gets from joint v
        relation = torch.tanh(sender.unsqueeze(-1) - receiver.unsqueeze(-2)).flatten(3)
        w3, w4 = (
            torch.stack([getattr(conv, name).weight.flatten(1) for conv in convs])
            for name in ("conv3", "conv4")
        )
        b3, b4 = (torch.stack([getattr(conv, name).bias for conv in convs]) for name in ("conv3", "conv4"))
        w3, w4, b4 = torch.cat([w3, b3.unsqueeze(2)], 2), self.alpha * w4, self.alpha * b4
        base = b4[..., None] + self.PA.flatten(1).unsqueeze(1)
        out: Tensor = cast(Any, _RefineAggregate).apply(*autocast(x, w3, relation, w4, base))
        return out
