"""What a stream and HP-Net do differently: all that the loop, prediction and checkpoints ask of either.

Axis letters: B clips, K classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.classify.data.clips import ChannelStats, ClipSet
from heatpool.classify.training.recipe import Recipe
from heatpool.pool.skeleton import Skeleton

__all__ = ["Architecture", "NetworkShape", "RandomSources", "Trained"]


@dataclass(frozen=True)
class NetworkShape:
    """Sizes that a network is built for.

    Attributes:
        channels: C of the skeleton features.
        classes: K.
        persons: M of the store.
        width: of HP-Net's RGB and text embeddings.
        frames: of HP-Net's RGB, 0 without.
        vision: of HP-Net's image network (`FrameEncoder.describe`), None where pictures are not read.
    """

    channels: int
    classes: int
    persons: int
    width: int = 0
    frames: int = 0
    vision: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, clips: ClipSet) -> NetworkShape:
        """Sizes of a network of the skeleton features alone."""
        return cls(clips.features.shape[-1], len(clips.class_names), clips.persons)


@dataclass(frozen=True, eq=False)
class RandomSources:
    """Where the random numbers of a training batch come from: torch's, and NumPy's."""

    torch: torch.Generator
    numpy: np.random.Generator


class Architecture(Protocol):
    """A kind of network with its recipe.

    Attributes:
        form: what its checkpoints are called.
        recipe: all of it.
        shared: the part of the recipe that every training has.
        skeleton: of the features, for a recipe whose graph is that; None where nobody said.
    """

    form: str

    @property
    def recipe(self) -> Any:
        """All of it, a dataclass."""

    @property
    def shared(self) -> Recipe:
        """The part of the recipe that every training has."""

    @property
    def skeleton(self) -> Skeleton | None:
        """Joints of the features; None where nobody said."""

    def build(self, shape: NetworkShape) -> nn.Module:
        """Make the network; its random weights depend on the recipe's seed only."""

    def inputs(
        self,
        clips: ClipSet,
        chosen: Tensor,
        *,
        stats: ChannelStats | None,
        random: RandomSources | None = None,
    ) -> tuple[dict[str, Any], Tensor]:
        """Prepare the clips at positions (B,); `random` is for training.

        Returns:
            Arguments of `logits`, on the CPU, and the targets: (B,) int64 labels, or (B, K) shares.
        """

    def logits(self, network: Any, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return (B, K) logits by head: the main one first, then auxiliary ones."""

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser of a network's parameters."""

    def set_rate(self, optimizer: torch.optim.Optimizer, epoch: int, done: float) -> float:
        """Set the rates of a step after which the share `done` of an epoch is over; return the largest."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A network and all that it takes to use it.

    Attributes:
        model: in eval mode.
        architecture: its kind and recipe.
        shape: its sizes.
        stats: channel statistics of its training split; None if it was trained without.
        class_names: in label order.
        source: what the training features were made of (`ClipSet.source`).
        epoch: after which the weights were taken, counted from 0.
        metrics: named figures of that epoch.
    """

    model: nn.Module
    architecture: Architecture
    shape: NetworkShape
    stats: ChannelStats | None
    class_names: tuple[str, ...]
    source: Mapping[str, str | int]
    epoch: int
    metrics: Mapping[str, float]

    def __repr__(self) -> str:
        kind = f"{self.architecture.form}, {self.source.get('input', '?')} features"
        return f"Trained({kind}, {len(self.class_names)} classes, epoch {self.epoch})"

    @property
    def recipe(self) -> Any:
        """What it was trained by: a `Recipe` or `HPNetRecipe`."""
        return self.architecture.recipe
