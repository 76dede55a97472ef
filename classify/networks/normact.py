"""Batch norm, residual and ReLU in one differentiable step over activations with the channels outermost.

Axis letters: C channels, P persons, V joints, T steps. torch's own batch norm takes the statistics of float32
in scalar code, and leaves an intermediate for the residual and another for the ReLU. Here a channel's values
lie side by side, so some channels at a time go through all of it while they are in cache, forward and
backward, and nothing but the input and the output is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["chunks", "norm_act", "wide_dtype"]

_CHUNK_FLOATS = 1 << 18
"""Floats worked on at a time on the CPU: with their temporaries, what a core's cache holds."""


def chunks(count: int, floats_each: int, *, limit: int, device: torch.device) -> Iterator[slice]:
    """Yield slices of nearly equal size that cover so many channels.

    Args:
        count: how many, 0 or more.
        floats_each: touched per channel.
        limit: floats that a slice may touch (one channel at least); on an accelerator there is one slice.
        device: where the work is done.
    """
    pieces = 1 if device.type != "cpu" else math.ceil(count * floats_each / limit)
    size = math.ceil(count / min(max(pieces, 1), max(count, 1)))
    for start in range(0, count, max(size, 1)):
        yield slice(start, min(start + size, count))


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to add up in: at least float32."""
    return torch.promote_types(dtype, torch.float32)


def norm_act(
    x: Tensor,
    norms: Sequence[Any],
    *,
    offsets: Sequence[Tensor | None],
    residual: Tensor | None = None,
    relu: bool = True,
) -> Tensor:
    """Return relu(norm(x + offset) + residual), norm by norm along the channels.

    An offset is the bias of the convolution that made the input. A batch norm in training mode takes it off
    again, so it only moves the running mean and never costs a pass over the data.

    Args:
        x: (C, P, V, T), its channels shared out to the norms.
        norms: `BatchNorm2d` modules, all in training mode (running statistics are updated) or all in eval.
        offsets: per norm (C_i,) or None.
        residual: (C, P, V, T) or None.
        relu: whether negative values become zero.

    Returns:
        (C, P, V, T) of the input's dtype.
    """
    first = norms[0]
    weight, bias, mean, var = (
        torch.cat([getattr(norm, name) for norm in norms])
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    offset = torch.cat(
        [
            norm.bias.new_zeros(norm.num_features) if each is None else each
            for norm, each in zip(norms, offsets, strict=True)
        ]
    )
    running = None if first.training else (mean, var)
    out, mean, var = cast(Any, _NormAct).apply(
        relu, running, first.eps, weight, bias, offset, residual, x.contiguous()
    )
    if first.training:
        _update(norms, mean, var)
    return cast(Tensor, out)


@torch.no_grad()
def _update(norms: Sequence[Any], mean: Tensor, var: Tensor) -> None:
    sizes = [norm.num_features for norm in norms]
    for norm, middle, spread in zip(norms, mean.split(sizes), var.split(sizes), strict=True):
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(middle.to(norm.running_mean.dtype), norm.momentum)
        norm.running_var.lerp_(spread.to(norm.running_var.dtype), norm.momentum)


class _NormAct(torch.autograd.Function):
    """The arithmetic of `norm_act`; also returns batch mean (offset included) and unbiased variance."""

    @staticmethod
    def forward(
        ctx: Any,
        relu: bool,
        running: tuple[Tensor, Tensor] | None,
        eps: float,
        weight: Tensor,
        bias: Tensor,
        offset: Tensor,
        residual: Tensor | None,
        x: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the output, then mean (C,) and variance (C,)."""
        rows, out = x.flatten(1), torch.empty_like(x)
        if running is None:
            mean, var = torch.empty_like(weight), torch.empty_like(weight)
        else:
            mean, var = running[0] - offset, running[1]
        for part in _slices(rows):
            if running is None:
                _moments(x[part].flatten(2), mean[part], var[part])
            source = rows[None, part]
            if residual is not None:
                source = source.to(weight.dtype)  # bfloat16 is rounded once, after the sum
            values = torch.batch_norm(
                source, weight[part], bias[part], mean[part], var[part], False, 0.0, eps, False
            ).view_as(x[part])
            _finish(values, None if residual is None else residual[part], relu, out[part])
        # the output tells where ReLU was active: no mask is kept
        ctx.save_for_backward(weight, mean, var, x, *([out] if relu else ()))
        ctx.training, ctx.eps = running is None, eps
        reported = running
        if reported is None:
            count = rows.shape[1]
            reported = mean + offset, var * (count / max(count - 1, 1))
        ctx.mark_non_differentiable(*reported)
        return (out, *reported)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        weight, mean, var, x, *outs = ctx.saved_tensors
        grad, invstd = grad.contiguous(), torch.rsqrt(var + ctx.eps)
        grad_weight, grad_bias, grad_x = (torch.empty_like(each) for each in (weight, weight, x))
        # the residual's gradient is the one that ReLU lets through
        through = torch.empty_like(grad) if outs else grad
        for part in _slices(x.flatten(1)):
            if outs:
                torch.ops.aten.threshold_backward.grad_input(
                    grad[part], outs[0][part], 0, grad_input=through[part]
                )
            found, grad_weight[part], grad_bias[part] = torch.ops.aten.native_batch_norm_backward(
                through[part].flatten(1)[None], x[part].flatten(1)[None], weight[part], mean[part],
                var[part], mean[part], invstd[part], ctx.training, ctx.eps, [True, True, True],
            )  # fmt: skip
            grad_x[part] = found.view_as(grad_x[part])
        grad_offset = torch.zeros_like(grad_bias) if ctx.training else weight * invstd * grad_bias
        residual = through if ctx.needs_input_grad[6] else None
        return None, None, None, grad_weight, grad_bias, grad_offset, residual, grad_x


def _slices(rows: Tensor) -> Iterator[slice]:
    return chunks(len(rows), rows.shape[1], limit=_CHUNK_FLOATS, device=rows.device)


def _moments(values: Tensor, mean: Tensor, var: Tensor) -> None:
    """Write mean and biased variance per channel of (C, P, V * T)."""
    wide = values.to(mean.dtype)
    count = wide[:1].numel()
    torch.div(wide.sum(2).sum(1), count, out=mean)
    # about the mean, and person by person: one long sum of squares in float32 would lose digits
    spread = torch.linalg.vector_norm(wide - mean[:, None, None], dim=2)
    torch.div(spread.square_().sum(1), count, out=var)


def _finish(values: Tensor, residual: Tensor | None, relu: bool, out: Tensor) -> None:
    """Write relu(values + residual) to `out`."""
    if residual is not None:
        torch.add(values, residual, out=out)
        if relu:
            out.relu_()
    elif relu:
        torch.clamp_min(values, 0, out=out)
    else:
        out.copy_(values)
