"""Optimiser and learning rates of HP-Net."""

from __future__ import annotations

import math

import torch
from torch import nn

from heatpool.classify.hpnet.network import HPNet
from heatpool.classify.hpnet.recipe import HPNetConfig

__all__ = ["make_optimizer", "set_rates"]

_FLOOR = 1 / 100  # of the shared rate, where every cosine ends


def make_optimizer(config: HPNetConfig, model: HPNet) -> torch.optim.Optimizer:
    """Return AdamW with a group for each rate, with and without weight decay.

    Vectors, biases, positional embeddings and learned class texts do not decay.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        fixed = weight.ndim <= 1 or "position" in name or name == "labels"
        key = (_rate(config, name), 0.0 if fixed else config.shared.weight_decay)
        groups.setdefault(key, []).append(weight)
    return torch.optim.AdamW(
        [
            {"params": weights, "weight_decay": decay, "rate": rate, "lr": rate}
            for (rate, decay), weights in groups.items()
        ],
        betas=config.betas,
        eps=config.eps,
    )


def _rate(config: HPNetConfig, name: str) -> float:
    """Peak learning rate of a parameter."""
    if name.startswith("encoder."):
        return config.shared.lr * (config.new_rate if "message_" in name else 1.0)
    rates = {"mit": config.new_rate, "skeletons": config.skeleton_rate}
    return config.shared.lr * rates.get(name.partition(".")[0], config.text_rate)


def set_rates(optimizer: torch.optim.Optimizer, config: HPNetConfig, progress: float) -> float:
    """Set every group's rate for the time `progress`, counted in epochs; return the largest.

    Source: timm's `CosineLRScheduler` as X-CLIP calls it: the cosine runs from the first epoch, the warm-up
    takes its place over the first ones.
    """
    shared = config.shared
    for group in optimizer.param_groups:
        peak, floor = group["rate"], _FLOOR * shared.lr
        if progress < shared.warmup_epochs:
            group["lr"] = peak * progress / shared.warmup_epochs
        else:
            cosine = 1 + math.cos(math.pi * min(progress / shared.epochs, 1))
            group["lr"] = floor + 0.5 * (peak - floor) * cosine
    return max(group["lr"] for group in optimizer.param_groups)
