"""Products with one matrix at every person, joint and step, and the maximum over time.

Axis letters: C channels in, K channels out, P persons, V joints, T steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["autocast", "matrix", "max_time", "project"]


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
    """Multiply the channels of x (C, P, V, T) by weight (K, C): (K, P, V, T)."""
    out: Tensor = torch.mm(weight, x.flatten(1)).unflatten(1, x.shape[1:])
    return out


def max_time(x: Tensor, *, stride: int) -> Tensor:
    """Return (C, P, V, T / stride), the maximum of each step of (C, P, V, T) and its two neighbours.

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
