"""Products with one matrix at every joint and step, and the maximum over time, on channels-first activations.

Axis letters: P persons, C channels in, K channels out, V joints, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from heatpool.classify.networks.normact import chunks, wide_dtype

__all__ = ["add_outer", "autocast", "matrix", "max_time", "project"]

_CHUNK_FLOATS = 1 << 20
"""Floats whose share of a weight's gradient is taken in one product on the CPU."""


def autocast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Return float32 tensors in the dtype of `torch.autocast` where that is on, as torch's products do."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    dtype = torch.get_autocast_dtype(kind)
    return tuple(each.to(dtype) if each.dtype == torch.float32 else each for each in tensors)


def matrix(convolutions: Sequence[Any]) -> Tensor:
    """Return the weights (K, C) of 1x1 convolutions side by side."""
    return torch.cat([convolution.weight.flatten(1) for convolution in convolutions])


def project(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply the channels of x (P, C, V, T) by weight (K, C): (P, K, V, T)."""
    out: Tensor = cast(Any, _Project).apply(*autocast(x.flatten(2), weight)).unflatten(2, x.shape[2:])
    return out


class _Project(torch.autograd.Function):
    """weight @ x for every person; the weight's gradient is added up without one matrix per person."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        """Return (P, K, R) of x (P, C, R) and weight (K, C)."""
        ctx.save_for_backward(x, weight)
        # expanded, not repeated: all persons read the same weights
        return torch.bmm(weight.expand(len(x), -1, -1), x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        x, weight = ctx.saved_tensors
        # the input of the first layer needs no gradient
        grad_x = torch.bmm(weight.t().expand(len(x), -1, -1), grad) if ctx.needs_input_grad[0] else None
        total: Tensor | None = None
        for part in chunks(len(x), x[0].numel() + grad[0].numel(), limit=_CHUNK_FLOATS, device=x.device):
            total = add_outer(total, grad[part], x[part])
        return grad_x, torch.zeros_like(weight) if total is None else total.sum(0).to(weight.dtype)


def add_outer(total: Tensor | None, left: Tensor, right: Tensor) -> Tensor:
    """Add left @ right^T, (P, K, C), to the first P matrices of `total`; None stands for zero.

    The sum over persons is left to the end: the product can then add to what is there by itself.
    """
    dtype = wide_dtype(left.dtype)
    if total is None:
        return torch.bmm(left, right.mT).to(dtype)
    if left.dtype == dtype:
        # the product adds to what is there: no matrix of its own per person
        total[: len(left)].baddbmm_(left, right.mT)
    else:
        total[: len(left)] += torch.bmm(left, right.mT)
    return total


def max_time(x: Tensor, *, stride: int) -> Tensor:
    """Return (P, C, V, T / stride), the maximum of each step of (P, C, V, T) and its two neighbours.

    Of equal values the first one gets the gradient, as in torch's max pooling.
    """
    out: Tensor = cast(Any, _MaxTime).apply(x, stride)
    return out


class _MaxTime(torch.autograd.Function):
    """`max_pool2d` with kernel 3 and padding 1 along the last axis, which torch runs in scalar code there."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stride: int) -> Tensor:
        # maxima of shifted views run in vector code, which max pooling along the last axis does not
        y = x[..., ::stride].clone()
        before, after = x[..., stride - 1 : -1 : stride], x[..., 1::stride]
        torch.maximum(y[..., 1:], before, out=y[..., 1:])
        reached = after.shape[-1]
        torch.maximum(y[..., :reached], after, out=y[..., :reached])
        ctx.save_for_backward(x, y)
        ctx.stride = stride
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (x, y), stride = ctx.saved_tensors, ctx.stride
        grad_x = torch.zeros_like(x)
        reached = x[..., 1::stride].shape[-1]
        left = grad.clone()  # what has not found its source yet
        for steps, outs in (
            (slice(stride - 1, -1, stride), slice(1, None)),
            (slice(0, None, stride), slice(None)),
            (slice(1, None, stride), slice(reached)),
        ):
            found = (x[..., steps] == y[..., outs]) * left[..., outs]
            grad_x[..., steps] += found
            left[..., outs] -= found
        return grad_x, None
