"""HP-Net as the training loop, prediction and checkpoints see it: what it is fed, how it is optimised.

Axis letters: B clips, K classes, F frames, D values an embedding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from heatpool.classify.data.batches import clip_batch
from heatpool.classify.data.clips import ChannelStats, ClipSet
from heatpool.classify.data.rgb import StoredCrops
from heatpool.classify.data.streams import StreamName, make_stream
from heatpool.classify.hpnet.blending import Blend, draw_blend
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.network import SKELETONS, HPNet
from heatpool.classify.hpnet.pictures import augment, normalise
from heatpool.classify.hpnet.recipe import HPNetRecipe
from heatpool.classify.hpnet.text import LabelText
from heatpool.classify.networks.graph import JointGraph, graph_named
from heatpool.classify.training.architecture import NetworkShape, RandomSources, Trained
from heatpool.classify.training.checkpoint import load_checkpoint
from heatpool.classify.training.optim import AdamW
from heatpool.classify.training.recipe import Recipe, read_recipe
from heatpool.classify.training.stream import build_model
from heatpool.pool.skeleton import Skeleton

__all__ = ["HPNetArchitecture", "build_hpnet", "load_hpnet", "skeleton_streams"]

_FORM = "heatpool-hpnet"
_LABEL_STD = 0.4  # of the values of CLIP's text embeddings, about
_PUBLISHED_SCALE = math.log(1 / 0.07)
_FLOOR = 1 / 100  # of the shared rate, where every cosine ends


@dataclass(frozen=True)
class HPNetArchitecture:
    """HP-Net, as `Architecture` says.

    Attributes:
        recipe: all of it.
        skeleton: of the features, for a recipe whose graph is that.
    """

    recipe: HPNetRecipe
    skeleton: Skeleton | None = None
    form = _FORM

    @property
    def shared(self) -> Recipe:
        """What HP-Net has in common with one stream."""
        return self.recipe.shared

    @cached_property
    def graph(self) -> JointGraph:
        """Bones and adjacency."""
        return graph_named(self.shared.graph, self.skeleton)

    def build(self, shape: NetworkShape) -> HPNet:
        """See `build_hpnet`."""
        return build_hpnet(self.recipe, shape, skeleton=self.skeleton)

    def inputs(
        self,
        clips: ClipSet,
        chosen: Tensor,
        *,
        stats: ChannelStats | None,
        random: RandomSources | None = None,
    ) -> tuple[dict[str, Any], Tensor]:
        """Return skeleton streams and RGB of the clips at positions (B,), and the targets, mixed alike."""
        blend = draw_blend(self.recipe, len(chosen), random.numpy) if random else None
        batch = clip_batch(
            clips, chosen, stats=stats, generator=random.torch if random else None, **self.shared.crop
        )
        inputs = {
            "streams": skeleton_streams(batch.x, self.graph),
            "clip": batch.clip,
            "slot": batch.slot,
            "clips": len(batch),
            "rgb": None if clips.rgb is None else self._rgb(clips.rgb[chosen], blend, random),
            "blend": None if blend is None else blend.mix,
        }
        return inputs, batch.labels if blend is None else blend.targets(batch.labels, len(clips.class_names))

    def _rgb(self, rgb: Tensor | StoredCrops, blend: Blend | None, random: RandomSources | None) -> Tensor:
        """Embeddings (B, F, D), or pictures (B, F, 3, H, W); augmented in training."""
        if isinstance(rgb, StoredCrops):
            pictures = rgb.pictures()
            pictures = normalise(pictures if random is None else augment(pictures, self.recipe, random.numpy))
            return pictures if blend is None else blend.pictures(pictures)
        return rgb.float() if blend is None else blend.mix(rgb.float())

    def logits(self, network: HPNet, inputs: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return (B, K) logits of "hpnet" and of the auxiliary heads by stream."""
        output = network(**inputs)
        return {"hpnet": output.logits, **output.auxiliary}

    def optimizer(self, network: nn.Module) -> torch.optim.Optimizer:
        """Return AdamW with a group for each rate, with and without weight decay.

        Vectors, biases, positional embeddings and learned class texts do not decay.
        """
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, weight in network.named_parameters():
            fixed = weight.ndim <= 1 or "position" in name or name == "labels"
            key = (self._peak_rate(name), 0.0 if fixed else self.shared.weight_decay)
            groups.setdefault(key, []).append(weight)
        return AdamW(
            [
                {"params": weights, "weight_decay": decay, "rate": rate, "lr": rate}
                for (rate, decay), weights in groups.items()
            ],
            betas=self.recipe.betas,
            eps=self.recipe.eps,
        )

    def _peak_rate(self, name: str) -> float:
        """Learning rate of a parameter at its peak."""
        recipe, shared = self.recipe, self.shared.learning_rate
        if name.startswith("encoder."):  # pretrained by CLIP, but for the messages that X-CLIP adds
            return shared * (recipe.new_rate if "message_" in name else 1.0)
        rates = {"mit": recipe.new_rate, "skeletons": recipe.skeleton_rate}
        return shared * rates.get(name.partition(".")[0], recipe.text_rate)

    def set_rate(self, optimizer: torch.optim.Optimizer, epoch: int, done: float) -> float:
        """Set every group's rate; return the largest.

        Source: timm's `CosineLRScheduler` as X-CLIP calls it: the cosine runs from the first epoch, the
        warm-up takes its place over the first ones.
        """
        shared, progress = self.shared, epoch + done
        for group in optimizer.param_groups:
            peak, floor = group["rate"], _FLOOR * shared.learning_rate
            if progress < shared.warmup_epochs:
                group["lr"] = peak * progress / shared.warmup_epochs
            else:
                cosine = 1 + math.cos(math.pi * min(progress / shared.epochs, 1))
                group["lr"] = floor + 0.5 * (peak - floor) * cosine
        return max(float(group["lr"]) for group in optimizer.param_groups)


def skeleton_streams(joint: Tensor, graph: JointGraph) -> dict[StreamName, Tensor]:
    """The three skeleton inputs of joint features (..., T, V, C); none shares memory with another.

    The published loader overwrites joint with joint motion in place, so both branches saw motion.
    """
    return {name: make_stream(joint, name, graph) for name in SKELETONS}


def build_hpnet(
    recipe: HPNetRecipe,
    shape: NetworkShape,
    *,
    skeleton: Skeleton | None = None,
    text: LabelText | None = None,
    encoder: FrameEncoder | None = None,
) -> HPNet:
    """Make the network of a recipe; its random weights depend on the recipe's seed only.

    Args:
        recipe: the recipe.
        shape: sizes, also of `text` and `encoder`.
        skeleton: of the features, for a recipe whose graph is that.
        text: embeddings of the class names, for a recipe that has them embedded; without, they begin at
            random values.
        encoder: the image network; by default one with random weights, where the shape has one.

    Raises:
        HeatpoolError: if the image network cannot be built for want of transformers.
    """
    shared = recipe.shared
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shared.seed)
        if encoder is None and shape.vision is not None:
            encoder = FrameEncoder.from_config(shape.vision, shape.width)
        labels = _LABEL_STD * torch.randn(shape.classes, shape.width)
        if text is not None:
            labels = text.embeddings
        # the three begin at other weights, whatever the seed of the run
        seeds = range(shared.seed * len(SKELETONS), (shared.seed + 1) * len(SKELETONS))
        skeletons: dict[Any, Any] = {
            name: build_model(replace(shared, seed=seed), shape, skeleton)
            for name, seed in zip(SKELETONS, seeds, strict=True)
        }
        return HPNet(
            skeletons,
            labels if recipe.text else nn.Parameter(labels),
            frames=shape.frames,
            mit_layers=recipe.mit_layers,
            encoder=encoder,
            logit_scale=_PUBLISHED_SCALE if text is None else text.logit_scale,
        )


def load_hpnet(path: Path) -> Trained:
    """Rebuild a trained HP-Net from its .safetensors and .json files. Raises as `load_checkpoint`."""

    def read(values: Mapping[str, Any], skeleton: Skeleton | None) -> HPNetArchitecture:
        return HPNetArchitecture(read_recipe(HPNetRecipe(), values), skeleton)

    return load_checkpoint(path, read, form=_FORM)
