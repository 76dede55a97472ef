"""Channel-wise topology refinement graph convolution, arranged for the CPU.

Axis letters: P persons, V (or U) joints, T steps, C channels in, K channels out, S = 3 subsets,
R relation channels. All activations are (P, V, T, C): channels last, so that every 1x1
convolution is one matrix product.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["GraphConvUnit", "batch_norm", "relation_channels"]

_CHUNK_FLOATS = 1 << 20
"""Floats of topology and projected features worked on at a time: what a second-level cache holds."""


def relation_channels(in_channels: int) -> int:
    """Return R: in_channels / 8; 8 for raw coordinates (published for 3 and 9, here all below 16)."""
    return 8 if in_channels < 16 else in_channels // 8


def batch_norm(x: Tensor, *norms: Any) -> Tensor:
    """Apply batch norms side by side to the last axis, one per consecutive group of channels.

    Args:
        x: (A, H, W, C) float, contiguous or not; C is the sum of the norms' features.
        *norms: `BatchNorm2d` modules, all in training mode (running statistics are updated) or in eval mode.

    Returns:
        (A, H, W, C) float.
    """
    first = norms[0]
    weight, bias, mean, var = (
        getattr(first, name) if len(norms) == 1 else torch.cat([getattr(norm, name) for norm in norms])
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    # channels_last is the layout for which torch has a vectorised kernel
    out = nn.functional.batch_norm(
        x.permute(0, 3, 1, 2), mean, var, weight, bias, first.training, first.momentum or 0.1, first.eps
    )
    if first.training:
        sizes = [norm.num_features for norm in norms]
        for norm, new_mean, new_var in zip(norms, mean.split(sizes), var.split(sizes), strict=True):
            norm.num_batches_tracked.add_(1)
            if len(norms) > 1:
                norm.running_mean.copy_(new_mean)
                norm.running_var.copy_(new_var)
    return out.permute(0, 2, 3, 1)


class _RefineAggregate(torch.autograd.Function):
    """y[p,u,t,k] = sum over s, v of A[p,s,k,u,v] * (W3 x + b3)[p,s,k,v,t].

    A = base + W4 @ relation is too large to keep (867 floats per person and channel), so persons
    are worked on in chunks that stay in cache and A is made again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w3: Tensor, b3: Tensor, relation: Tensor, w4: Tensor, base: Tensor
    ) -> Tensor:
        """Return y (P, U, T, K).

        Shapes: x (P,V,T,C), w3 (K,S,C), b3 (K,S), relation (P,S,R,U*V), w4 (S,K,R), base (K,U,S,V).
        """
        persons, joints, steps, channels = x.shape
        out_channels, subsets, _ = w3.shape
        keep = any(ctx.needs_input_grad)
        rows, inner = joints * steps, subsets * joints
        chunk = _chunk(persons, out_channels * inner * (joints + steps))
        flat, weight = x.reshape(persons, rows, channels), w3.view(-1, channels)
        y = x.new_empty(persons, joints, steps, out_channels)
        projected = x.new_empty(persons if keep else chunk, out_channels, inner, steps)
        for start in range(0, persons, chunk):
            part = slice(start, min(start + chunk, persons))
            size = part.stop - part.start
            z = projected[part] if keep else projected[:size]
            torch.bmm(
                weight.expand(size, -1, -1),
                flat[part].transpose(1, 2),
                out=z.view(size, out_channels * subsets, rows),
            )
            z.view(size, out_channels, subsets, rows).add_(b3[:, :, None])
            topology = _topology(relation[part], w4, base)
            mixed = torch.bmm(topology.view(-1, joints, inner), z.view(-1, inner, steps))
            y[part] = mixed.view(size, out_channels, joints, steps).permute(0, 2, 3, 1)
        if keep:
            ctx.save_for_backward(x, w3, relation, w4, base, projected)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, w3, relation, w4, base, projected = ctx.saved_tensors
        persons, joints, steps, channels = x.shape
        out_channels, subsets, _ = w3.shape
        rows, inner = joints * steps, subsets * joints
        chunk = _chunk(persons, 2 * out_channels * inner * (joints + steps))
        flat, weight = x.reshape(persons, rows, channels), w3.view(-1, channels)
        grad_x, grad_relation = torch.empty_like(flat), torch.empty_like(relation)
        grad_w3, grad_b3 = torch.zeros_like(weight), x.new_zeros(out_channels, subsets)
        grad_w4, grad_base = torch.zeros_like(w4), torch.zeros_like(base)
        for start in range(0, persons, chunk):
            part = slice(start, min(start + chunk, persons))
            size = part.stop - part.start
            gy = grad[part].permute(0, 3, 1, 2).contiguous().view(-1, joints, steps)
            topology = _topology(relation[part], w4, base).view(-1, joints, inner)
            dz = torch.bmm(topology.transpose(1, 2), gy).view(size, out_channels * subsets, rows)
            torch.bmm(dz.transpose(1, 2), weight.expand(size, -1, -1), out=grad_x[part])
            grad_w3 += torch.bmm(dz, flat[part]).sum(0)
            grad_b3 += dz.view(size, out_channels, subsets, rows).sum((0, 3))
            da = torch.bmm(gy, projected[part].reshape(-1, inner, steps).transpose(1, 2))
            da = da.view(size, out_channels, joints, subsets, joints)
            grad_base += da.sum(0)
            da = da.permute(0, 3, 1, 2, 4).reshape(size, subsets, out_channels, joints * joints)
            torch.matmul(w4.transpose(1, 2), da, out=grad_relation[part])
            grad_w4 += torch.matmul(da, relation[part].transpose(2, 3)).sum(0)
        shape = (out_channels, subsets, channels)
        return grad_x.view_as(x), grad_w3.view(shape), grad_b3, grad_relation, grad_w4, grad_base


def _chunk(persons: int, floats_per_person: int) -> int:
    """Return how many persons to work on at a time, in chunks of nearly equal size."""
    chunks = math.ceil(persons * floats_per_person / _CHUNK_FLOATS)
    return math.ceil(persons / min(max(chunks, 1), persons))


def _topology(relation: Tensor, w4: Tensor, base: Tensor) -> Tensor:
    """Return A (P, K, U, S, V) of relation (P,S,R,U*V), w4 (S,K,R), base (K,U,S,V)."""
    out_channels, joints, subsets, _ = base.shape
    refined = torch.matmul(w4, relation).view(-1, subsets, out_channels, joints, joints)
    topology = base.new_empty(len(refined), *base.shape)
    for subset in range(subsets):
        torch.add(base[:, :, subset], refined[:, subset], out=topology[:, :, :, subset])
    return topology


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
        """(P, V, T, C) -> (P, V, T, K)."""
        y = batch_norm(self._aggregate(x), self.bn)
        if self.down is None:
            residual = x
        else:
            conv, norm = self.down
            residual = batch_norm(nn.functional.linear(x, conv.weight.flatten(1), conv.bias), norm)
        return y.add_(residual).relu_()

    def _aggregate(self, x: Tensor) -> Tensor:
        """Project, refine the topology by the joints' relations and mix joints: (P,V,T,C) -> (P,V,T,K)."""
        persons, joints, _, _ = x.shape
        convs: list[Any] = list(self.convs)
        subsets = len(convs)
        # a 1x1 convolution and the mean over time commute, and the mean first is T times cheaper
        halves = [half for conv in convs for half in (conv.conv1, conv.conv2)]
        weight = torch.cat([half.weight.flatten(1) for half in halves])
        bias = torch.cat([half.bias for half in halves])
        pairs = nn.functional.linear(x.mean(2), weight, bias).view(persons, joints, subsets, 2, -1)
        sender, receiver = pairs.permute(0, 2, 3, 4, 1).unbind(2)  # each (P, S, R, V)
        relation = torch.tanh(sender.unsqueeze(-1) - receiver.unsqueeze(-2)).flatten(3)
        w3 = torch.stack([conv.conv3.weight.flatten(1) for conv in convs], 1)
        b3 = torch.stack([conv.conv3.bias for conv in convs], 1)
        w4 = self.alpha * torch.stack([conv.conv4.weight.flatten(1) for conv in convs])
        b4 = self.alpha * torch.stack([conv.conv4.bias for conv in convs], 1)  # (K, S)
        base = b4[:, None, :, None] + self.PA.transpose(0, 1)
        return _RefineAggregate.apply(x.contiguous(), w3, b3, relation, w4, base)
