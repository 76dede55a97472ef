"""Optimiser and learning rate of a recipe."""

from __future__ import annotations

import math
from bisect import bisect_right

import torch
from torch import nn

from heatpool.classify.training.recipe import TrainConfig

__all__ = ["learning_rate", "make_optimizer"]


def make_optimizer(config: TrainConfig, model: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a recipe over all parameters of a network."""
    if config.optimizer == "adamw":
        return torch.optim.AdamW(
            model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
    return torch.optim.SGD(
        model.parameters(),
        lr=config.lr,
        momentum=config.momentum,
        nesterov=config.momentum > 0,
        weight_decay=config.weight_decay,
        fused=True,
    )


def learning_rate(config: TrainConfig, epoch: int) -> float:
    """Return the learning rate of an epoch counted from 0."""
    if epoch < config.warmup_epochs:
        return config.lr * (epoch + 1) / config.warmup_epochs
    if config.schedule == "step":
        return config.lr * config.gamma ** bisect_right(config.milestones, epoch)
    progress = (epoch - config.warmup_epochs) / max(config.epochs - config.warmup_epochs, 1)
    return config.lr * 0.5 * (1 + math.cos(math.pi * progress))
