"""One stream: CTR-GCN or a small head on joint features.

Axis letters: B clips, P persons present (packed), K classes.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from heatpool.classify.data.batches import clip_batch
from heatpool.classify.data.clips import ChannelStats, ClipSet
from heatpool.classify.data.streams import make_stream
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import JointGraph, graph_named
from heatpool.classify.networks.heads import StatisticsHead, TemporalHead
from heatpool.classify.training.architecture import NetworkShape, RandomSources, Trained
from heatpool.classify.training.checkpoint import load_checkpoint
from heatpool.classify.training.optim import SGD, AdamW
from heatpool.classify.training.recipe import Recipe, read_recipe
from heatpool.pool.skeleton import Skeleton

__all__ = ["StreamArchitecture", "build_model", "learning_rate", "load_model"]

_FORM = "heatpool-stream"

Network = CTRGCN | StatisticsHead | TemporalHead


@dataclass(frozen=True)
class StreamArchitecture:
    """A network of one stream, as `Architecture` says.

    Attributes:
        recipe: of the stream.
        skeleton: of the features, for a recipe whose graph is that.
    """

    recipe: Recipe
    skeleton: Skeleton | None = None
    form = _FORM

    @property
    def shared(self) -> Recipe:
        """The recipe itself."""
        return self.recipe

    @cached_property
    def graph(self) -> JointGraph:
        """Bones and adjacency."""
        return graph_named(self.recipe.graph, self.skeleton)

    def build(self, shape: NetworkShape) -> Network:
        """See `build_model`."""
        return build_model(self.recipe, shape, self.skeleton)

    def inputs(
        self,
        clips: ClipSet,
        chosen: Tensor,
        *,
        stats: ChannelStats | None,
        random: RandomSources | None = None,
    ) -> tuple[dict[str, Any], Tensor]:
        """Return the stream of the clips at positions (B,), and their labels."""
        batch = clip_batch(
            clips, chosen, stats=stats, generator=random.torch if random else None, **self.recipe.crop
        )
        stream, x = self.recipe.stream, batch.x
        if stream != "joint":  # it is: nobody else has the batch, so it need not be copied
            x = make_stream(x, stream, self.graph)
        return {"x": x, "clip": batch.clip, "slot": batch.slot, "clips": len(batch)}, batch.labels

    def logits(self, network: Network, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return (B, K) logits of the only head."""
        return {"stream": network.forward_packed(**inputs)}

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a recipe over all parameters of a network."""
        recipe = self.recipe
        shared = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": True}
        if recipe.optimizer == "adamw":
            return AdamW(network.parameters(), **shared)
        return SGD(network.parameters(), momentum=recipe.momentum, nesterov=recipe.momentum > 0, **shared)

    def set_rate(self, optimizer: torch.optim.Optimizer, epoch: int, done: float) -> float:
        """Set the rate of an epoch."""
        rate = learning_rate(self.recipe, epoch)
        for group in optimizer.param_groups:
            group["lr"] = rate
        return rate


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Return the learning rate of an epoch counted from 0."""
    peak = recipe.learning_rate
    if epoch < recipe.warmup_epochs:
        return peak * (epoch + 1) / recipe.warmup_epochs
    if recipe.schedule == "step":
        return peak * recipe.gamma ** bisect_right(recipe.milestones, epoch)
    progress = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1)
    return peak * 0.5 * (1 + math.cos(math.pi * progress))


def build_model(recipe: Recipe, shape: NetworkShape, skeleton: Skeleton | None = None) -> Network:
    """Make the network of a recipe; its random weights depend on the recipe's seed only.

    Args:
        recipe: the recipe.
        shape: sizes.
        skeleton: of the features, for a recipe whose graph is that.
    """
    graph, dropout = graph_named(recipe.graph, skeleton), recipe.dropout
    sizes = (shape.channels, shape.classes)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        if recipe.model == "tcn":
            return TemporalHead(*sizes, joints=graph.joints, width=recipe.width, dropout=dropout)
        if recipe.model != "ctrgcn":
            hidden = recipe.width if recipe.model == "mlp" else 0
            return StatisticsHead(*sizes, joints=graph.joints, hidden=hidden, dropout=dropout)
        return CTRGCN(
            *sizes,
            adjacency=torch.from_numpy(graph.adjacency()),
            persons=shape.persons,
            width=recipe.width,
            layers=recipe.layers,
            dropout=dropout,
        )


def load_model(path: Path) -> Trained:
    """Rebuild a trained stream from its .safetensors and .json files. Raises as `load_checkpoint`."""

    def read(values: Mapping[str, Any], skeleton: Skeleton | None) -> StreamArchitecture:
        return StreamArchitecture(read_recipe(Recipe(), values), skeleton)

    return load_checkpoint(path, read, form=_FORM)
