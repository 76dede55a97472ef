"""Channel-wise topology refinement graph convolution, arranged for the CPU.

Axis letters: P persons, V (or U) joints, T steps, C channels in, K channels out, S = 3 subsets,
R relation channels. All activations are (P, C, V, T): with the steps last, the products over channels and
those over joints both run on the data as it lies.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from heatpool.classify.networks.normact import chunks, norm_act, wide_dtype
from heatpool.classify.networks.pointwise import add_outer, autocast, matrix, project

__all__ = ["GraphConvUnit", "relation_channels"]

_CHUNK_FLOATS = 1 << 20
"""Floats of topology and projected features worked on at a time: what a second-level cache holds."""


def relation_channels(in_channels: int) -> int:
    """Return R: in_channels / 8; 8 for raw coordinates (published for 3 and 9, here all below 16)."""
    return 8 if in_channels < 16 else in_channels // 8


class _RefineAggregate(torch.autograd.Function):
    """y[p,k,u,t] = sum over s, v of A[p,k,s,v,u] * (W3 x + b3)[p,k,s,v,t].

    A = base + W4 @ relation is too large to keep (867 floats per person and channel), so persons
    are worked on in chunks that stay in cache and A is made again in the backward pass.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, w3: Tensor, b3: Tensor, relation: Tensor, w4: Tensor, base: Tensor
    ) -> Tensor:
        """Return y (P, K, V, T).

        Shapes: x (P,C,V,T), w3 (K,S,C), b3 (K,S), relation (P,S,R,V*V), w4 (S,K,R), base (K,S,V,V).
        """
        persons, _, joints, steps = x.shape
        out_channels, subsets, channels = w3.shape
        keep = any(ctx.needs_input_grad)
        inner, rows = subsets * joints, joints * steps
        flat, weight = x.flatten(2), w3.view(-1, channels)
        # one output that the chunks write into: to concatenate theirs would copy all of it
        y = x.new_empty(persons, out_channels, joints, steps)
        kept = []
        for part in _parts(x, out_channels, subsets):
            size = part.stop - part.start
            # W3 x + b3 of all subsets in one product; the bias goes where the values lie in cache
            z = torch.bmm(weight.expand(size, -1, -1), flat[part]).view(size, out_channels, subsets, rows)
            z.add_(b3[:, :, None])
            topology = _topology(relation[part], w4, base).view(-1, inner, joints)
            # subsets and joints are one axis, so one product sums over both
            torch.bmm(topology.mT, z.view(-1, inner, steps), out=y[part].view(-1, joints, steps))
            if keep:  # z, not A: A is the larger one, and cheaper to make again
                kept.append(z)
        if keep:
            ctx.save_for_backward(x, w3, relation, w4, base, *kept)
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        x, w3, relation, w4, base, *kept = ctx.saved_tensors
        _, _, joints, steps = x.shape
        out_channels, subsets, channels = w3.shape
        inner, rows = subsets * joints, joints * steps
        flat, weight, wide = x.flatten(2), w3.view(-1, channels), wide_dtype(x.dtype)
        # not empty_like: torch has no fast product of bfloat16 into the channels-last input of the network
        grad_x, grad_relation = flat.new_empty(flat.shape), torch.empty_like(relation)
        grad_b3, grad_base = (torch.zeros_like(each, dtype=wide) for each in (w3[..., 0], base))
        grad_w3: Any = None  # matrices that are added up in the end
        grad_w4: list[Any] = [None] * subsets
        for part, z in zip(_parts(x, out_channels, subsets), kept, strict=True):
            size = len(z)
            gy = grad[part].reshape(-1, joints, steps)
            topology = _topology(relation[part], w4, base).view(-1, inner, joints)
            # gradients of both factors of y, then of what each was made of
            da = torch.bmm(z.view(-1, inner, steps), gy.mT).view(size, out_channels, subsets, -1)
            dz = torch.bmm(topology, gy).view(size, out_channels * subsets, rows)
            torch.bmm(weight.t().expand(size, -1, -1), dz, out=grad_x[part])
            grad_w3 = add_outer(grad_w3, dz, flat[part])
            # sums over many persons and steps: bfloat16 would lose the small ones
            grad_b3 += dz.view(size, out_channels, subsets, rows).sum(3, dtype=wide).sum(0)
            grad_base += da.sum(0, dtype=wide).view_as(base)
            for subset in range(subsets):
                inside = da[:, :, subset]
                grad_relation[part, subset] = torch.bmm(w4[subset].t().expand(size, -1, -1), inside)
                grad_w4[subset] = add_outer(grad_w4[subset], inside, relation[part, subset])
        weights = [torch.zeros_like(w3) if grad_w3 is None else grad_w3.sum(0).view_as(w3)]
        weights.append(torch.stack([each.sum(0) for each in grad_w4]) if kept else torch.zeros_like(w4))
        return grad_x.view_as(x), weights[0], grad_b3, grad_relation, weights[1], grad_base


def _parts(x: Tensor, out_channels: int, subsets: int) -> Any:
    """Return the slices of persons to work on at a time."""
    _, _, joints, steps = x.shape
    floats = out_channels * subsets * joints * (joints + steps)
    return chunks(len(x), floats, limit=_CHUNK_FLOATS, device=x.device)


def _topology(relation: Tensor, w4: Tensor, base: Tensor) -> Tensor:
    """Return A (P, K, S, V*V) of relation (P,S,R,V*V), w4 (S,K,R), base (K,S,V,V)."""
    size, subsets, _, pairs = relation.shape
    topology = relation.new_empty(size, len(base), subsets, pairs)
    for subset in range(subsets):
        torch.bmm(w4[subset].expand(size, -1, -1), relation[:, subset], out=topology[:, :, subset])
    return topology.add_(base.flatten(2))


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
        """(P, C, V, T) -> (P, K, V, T)."""
        residual = x
        if self.down is not None:
            conv, norm = self.down
            (residual,) = norm_act([project(x, matrix([conv]))], [norm], offsets=[conv.bias], relu=False)
        return norm_act([self._aggregate(x)], [self.bn], offsets=[None], residual=residual)[0]

    def _aggregate(self, x: Tensor) -> Tensor:
        """Project, refine the topology by the joints' relations and mix joints: (P,C,V,T) -> (P,K,V,T)."""
        persons, _, joints, _ = x.shape
        convs: list[Any] = list(self.convs)
        subsets = len(convs)
        # a 1x1 convolution and the mean over time commute, and the mean first is T times cheaper
        halves = [half for conv in convs for half in (conv.conv1, conv.conv2)]
        bias = torch.cat([half.bias for half in halves])
        pairs = torch.matmul(matrix(halves), x.mean(3)) + bias[:, None]
        sender, receiver = pairs.view(persons, subsets, 2, -1, joints).unbind(2)  # each (P, S, R, V)
        # (P, S, R, V, U): what joint u, which listens, gets from joint v
        relation = torch.tanh(sender.unsqueeze(-2) - receiver.unsqueeze(-1)).flatten(3)
        w3 = torch.stack([conv.conv3.weight.flatten(1) for conv in convs], 1)
        b3 = torch.stack([conv.conv3.bias for conv in convs], 1)
        w4 = self.alpha * torch.stack([conv.conv4.weight.flatten(1) for conv in convs])
        b4 = self.alpha * torch.stack([conv.conv4.bias for conv in convs], 1)  # (K, S)
        base = b4[:, :, None, None] + self.PA.transpose(1, 2).contiguous()
        out: Tensor = cast(Any, _RefineAggregate).apply(*autocast(x, w3, b3, relation, w4, base))
        return out
