"""Batch norm, residual and ReLU in one differentiable step over channels-first activations.

Axis letters: P persons, C channels, V joints, T steps. torch's own batch norm takes the statistics of
(P, C, V, T) in scalar code, cannot join or part channels, and leaves an intermediate for the residual and
another for the ReLU; here persons are worked on in chunks that stay in cache, and nothing but the inputs and
the output is kept for the backward pass.
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


def chunks(persons: int, floats_per_person: int, *, limit: int, device: torch.device) -> Iterator[slice]:
    """Yield slices of nearly equal size that cover the persons; one slice on an accelerator.

    Args:
        persons: how many, 0 or more.
        floats_per_person: touched per person.
        limit: floats that a slice may touch (a person at least).
        device: where the work is done.
    """
    pieces = 1 if device.type != "cpu" else math.ceil(persons * floats_per_person / limit)
    size = math.ceil(persons / min(max(pieces, 1), max(persons, 1)))
    for start in range(0, persons, max(size, 1)):
        yield slice(start, min(start + size, persons))


def wide_dtype(dtype: torch.dtype) -> torch.dtype:
    """Return the dtype to add up in: at least float32."""
    return torch.promote_types(dtype, torch.float32)


def norm_act(
    inputs: Sequence[Tensor],
    norms: Sequence[Any],
    *,
    offsets: Sequence[Tensor | None],
    residual: Tensor | None = None,
    relu: bool = True,
    split: bool = False,
) -> tuple[Tensor, ...]:
    """Return relu(norm(input + offset) + residual), norm by norm along the channels.

    An offset is the bias of the convolution that made the input. A batch norm in training mode takes it off
    again, so it only moves the running mean and never costs a pass over the data.

    Args:
        inputs: one (P, C, V, T) whose channels are shared out to the norms, or one tensor per norm.
        norms: `BatchNorm2d` modules, all in training mode (running statistics are updated) or all in eval.
        offsets: per norm (C_i,) or None.
        residual: (P, C, V, T) or None; only without `split`.
        relu: whether negative values become zero.
        split: return one tensor per norm; otherwise a single one with all channels.

    Returns:
        The outputs, of the inputs' dtype.
    """
    first, sizes = norms[0], tuple(norm.num_features for norm in norms)
    weight, bias, mean, var = (
        torch.cat([getattr(norm, name) for norm in norms])
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    offset = torch.cat(
        [
            norm.bias.new_zeros(size) if each is None else each
            for norm, size, each in zip(norms, sizes, offsets, strict=True)
        ]
    )
    # evaluation normalises with what training has seen, training with the batch itself
    running = None if first.training else (mean, var)
    *outputs, mean, var = cast(Any, _NormAct).apply(
        sizes, relu, split, running, first.eps, weight, bias, offset, residual, *inputs
    )
    if first.training:
        _update(norms, mean.split(sizes), var.split(sizes))
    return tuple(outputs)


@torch.no_grad()
def _update(norms: Sequence[Any], means: Sequence[Tensor], variances: Sequence[Tensor]) -> None:
    for norm, mean, var in zip(norms, means, variances, strict=True):
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), norm.momentum)
        norm.running_var.lerp_(var.to(norm.running_var.dtype), norm.momentum)


def _views(tensors: Sequence[Tensor], sizes: Sequence[int]) -> list[Tensor]:
    """Return one (P, C_i, V*T) view per norm."""
    flat = [each.flatten(2) for each in tensors]
    return flat if len(flat) == len(sizes) else list(flat[0].split(list(sizes), 1))


def _slices(view: Tensor) -> Iterator[slice]:
    return chunks(len(view), view[:1].numel(), limit=_CHUNK_FLOATS, device=view.device)


def _moments(view: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and sum of squares about it per channel, merged from chunks (Chan et al. 1979)."""
    dtype, channels = wide_dtype(view.dtype), view.shape[1]
    mean, squares = view.new_zeros(2, channels, dtype=dtype)
    seen = 0
    for part in _slices(view):
        values = view[part].to(dtype)
        count = values.numel() // channels
        # two reductions, because one over both axes at once is several times slower
        middle = values.sum(2).sum(0) / count
        spread = torch.linalg.vector_norm(values - middle[:, None], dim=2).square_().sum(0)
        seen += count
        delta = middle - mean
        mean = mean + delta * (count / seen)
        squares = squares + spread + delta.square() * (count * (seen - count) / seen)
    return mean, squares


class _NormAct(torch.autograd.Function):
    """The arithmetic of `norm_act`; also returns batch mean (offset included) and unbiased variance."""

    @staticmethod
    def forward(
        ctx: Any,
        sizes: tuple[int, ...],
        relu: bool,
        split: bool,
        running: tuple[Tensor, Tensor] | None,
        eps: float,
        weight: Tensor,
        bias: Tensor,
        offset: Tensor,
        residual: Tensor | None,
        *inputs: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the outputs, then mean (C,) and variance (C,)."""
        views = _views(inputs, sizes)
        count = views[0].numel() // sizes[0]
        if running is None:
            moments = [_moments(view) for view in views]
            mean, squares = (torch.cat(each) for each in zip(*moments, strict=True))
            invstd = torch.rsqrt(squares / count + eps)
            reported = (mean + offset, squares / max(count - 1, 1))
        else:
            mean, invstd, reported = running[0] - offset, torch.rsqrt(running[1] + eps), running
        first = inputs[0]
        shape = (first.shape[0], -1, *first.shape[2:])
        outputs = [
            first.new_empty(shape[0], size, *shape[2:]) for size in (sizes if split else (sum(sizes),))
        ]
        # norm as one multiplication and one addition per value
        scale = weight * invstd
        shift = bias - mean * scale
        added = [None] * len(sizes) if residual is None else _views([residual], sizes)
        for view, out, by, plus, more in zip(
            views, _views(outputs, sizes), scale.split(sizes), shift.split(sizes), added, strict=True
        ):
            _affine(view, out, scale=by[:, None], shift=plus[:, None], residual=more, relu=relu)
        # the outputs tell where ReLU was active: no mask is kept
        ctx.save_for_backward(weight, mean, invstd, *inputs, *(outputs if relu else ()))
        ctx.sizes, ctx.count, ctx.inputs = sizes, count if running is None else 0, len(inputs)
        ctx.mark_non_differentiable(*reported)
        return (*outputs, *reported)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight, mean, invstd, *tensors = ctx.saved_tensors
        inputs, outputs = tensors[: ctx.inputs], tensors[ctx.inputs :]
        sizes = ctx.sizes
        grad_inputs = [torch.empty_like(each) for each in inputs]
        # the residual's gradient is the masked one and must outlive this; else it is turned into the input's
        grad_residual = torch.empty_like(grads[0]).contiguous() if ctx.needs_input_grad[8] else None
        targets = _views(grad_inputs, sizes)
        masked = targets if grad_residual is None else _views([grad_residual], sizes)
        outs = _views(outputs, sizes) if outputs else [None] * len(sizes)
        sums = []
        pieces = (_views(inputs, sizes), _views(grads[:-2], sizes), outs, masked, targets)
        stats = (each.split(sizes) for each in (weight * invstd, mean, invstd))
        for view, grad, out, kept, target, scale, centre, inverse in zip(*pieces, *stats, strict=True):
            total, product = _mask_and_sum(view, grad, out, kept, centre[:, None])
            _input_gradient(view, kept, target, scale, centre, inverse, total, product, ctx.count)
            sums.append((total, product * inverse))
        grad_bias, grad_weight = (torch.cat(each) for each in zip(*sums, strict=True))
        grad_offset = torch.zeros_like(grad_bias) if ctx.count else weight * invstd * grad_bias
        return (*[None] * 5, grad_weight, grad_bias, grad_offset, grad_residual, *grad_inputs)


def _affine(
    view: Tensor, out: Tensor, *, scale: Tensor, shift: Tensor, residual: Tensor | None, relu: bool
) -> None:
    """Write relu(view * scale + shift + residual) to out, chunk by chunk."""
    direct = out.dtype == scale.dtype
    for part in _slices(view):
        values = torch.mul(view[part], scale, out=out[part] if direct else None).add_(shift)
        if residual is not None:
            values.add_(residual[part])
        if relu:
            values.relu_()
        if not direct:
            out[part] = values


def _mask_and_sum(
    view: Tensor, grad: Tensor, out: Tensor | None, kept: Tensor, mean: Tensor
) -> tuple[Tensor, Tensor]:
    """Write grad where out is positive to `kept`; return its sum and that of its product with view - mean."""
    total, product = (mean.new_zeros(view.shape[1]) for _ in range(2))
    for part in _slices(view):
        if out is None:
            kept[part] = grad[part]
        else:
            torch.ops.aten.threshold_backward.grad_input(grad[part], out[part], 0, grad_input=kept[part])
        values = kept[part].to(mean.dtype)
        total += values.sum(2).sum(0)
        product += (view[part] - mean).mul_(values).sum(2).sum(0)
    return total, product


def _input_gradient(
    view: Tensor,
    kept: Tensor,
    target: Tensor,
    scale: Tensor,
    mean: Tensor,
    invstd: Tensor,
    total: Tensor,
    product: Tensor,
    count: int,
) -> None:
    """Write scale * (g - mean(g) - (x - mean) * invstd^2 * mean(g * (x - mean))); count 0 is eval mode."""
    slope = -scale * invstd.square() * product / max(count, 1)
    constant = -scale * total / max(count, 1) - slope * mean
    direct = target.dtype == scale.dtype
    for part in _slices(view):
        values = torch.mul(kept[part], scale[:, None], out=target[part] if direct else None)
        if count:
            values.add_(torch.mul(view[part], slope[:, None]).add_(constant[:, None]))
        if not direct:
            target[part] = values
