"""Training of HP-Net."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from heatpool.classify.data.batches import clip_batch
from heatpool.classify.data.clips import channel_stats
from heatpool.classify.hpnet.blending import draw_blend
from heatpool.classify.hpnet.checkpoint import HPNetShape, TrainedHPNet, check_modalities, save_hpnet
from heatpool.classify.hpnet.data import ModalClips, StoredCrops
from heatpool.classify.hpnet.network import HPNet, HPNetOutput
from heatpool.classify.hpnet.optim import make_optimizer, set_rates
from heatpool.classify.hpnet.pictures import augment, normalise
from heatpool.classify.hpnet.predict import predict_hpnet, skeleton_streams
from heatpool.classify.hpnet.recipe import HPNetConfig
from heatpool.classify.networks.graph import GRAPHS
from heatpool.classify.training.loop import EpochReport, Training, run_training
from heatpool.classify.training.processes import make_accelerator, share_of
from heatpool.classify.training.stream import check_labels, summed_loss

__all__ = ["hpnet_loss", "train_hpnet"]


def hpnet_loss(output: HPNetOutput, targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy of the class scores plus that of each auxiliary head, all with weight 1.

    Args:
        output: of B clips.
        targets: (B,) int64 labels, or (B, K) shares of the classes.
        label_smoothing: share of the target spread over all classes.

    Source: HP-Net, section 3, and its published training script.
    """
    heads = (output.logits, *output.auxiliary.values())
    losses = [nn.functional.cross_entropy(head, targets, label_smoothing=label_smoothing) for head in heads]
    return torch.stack(losses).sum()


class _Objective(nn.Module):
    """Loss of a batch and its right clips."""

    def __init__(self, network: HPNet, label_smoothing: float) -> None:
        super().__init__()
        self.network, self.label_smoothing = network, label_smoothing

    def forward(self, labels: Tensor, targets: Tensor, **inputs: Any) -> tuple[Tensor, Tensor]:
        output = self.network(**inputs, clips=len(labels))
        loss = hpnet_loss(output, targets, label_smoothing=self.label_smoothing)
        return loss, (output.logits.detach().argmax(1) == labels).sum()


class _HPNetLearner:
    """HP-Net, as the training loop sees it."""

    def __init__(
        self,
        recipe: HPNetConfig,
        model: HPNet,
        shape: HPNetShape,
        train: ModalClips,
        val: ModalClips,
        accelerator: Accelerator,
    ) -> None:
        self.recipe, self.config, self.shape, self.train = recipe, recipe.shared, shape, train
        self.clips, self.device = len(train), accelerator.device
        self.val = share_of(val, accelerator)
        self.stats = channel_stats(train.clips) if recipe.shared.normalise else None
        self.network = model.to(self.device)
        self.objective = _Objective(self.network, recipe.shared.label_smoothing)
        self.optimizer = make_optimizer(recipe, self.network)
        plain = asdict(recipe)
        plain["shared"].pop("device")
        sizes = [len(train), len(val)]
        self.identity: dict[str, Any] = {"config": repr(plain), "shape": repr(shape), "clips": sizes}

    def snapshot(self, epoch: int = 0, figures: dict[str, float] | None = None) -> TrainedHPNet:
        return TrainedHPNet(
            model=self.network,
            config=self.recipe,
            shape=self.shape,
            stats=self.stats,
            class_names=self.train.clips.class_names,
            source=self.train.clips.source,
            rgb_source=self.train.rgb_source,
            epoch=epoch,
            metrics=figures or {},
        )

    def batch(
        self, chosen: Tensor, *, generator: torch.Generator, random: np.random.Generator
    ) -> dict[str, Any]:
        config, device, held = self.config, self.device, self.train.rgb
        blend = draw_blend(self.recipe, len(chosen), random)
        batch = clip_batch(self.train.clips, chosen, stats=self.stats, generator=generator, **config.crop)
        rgb = None
        if isinstance(held, StoredCrops):
            rgb = normalise(augment(held.pictures(chosen), self.recipe, random)).to(device)
            rgb = rgb if blend is None else blend.pictures(rgb)
        elif held is not None:
            rgb = held[chosen].float().to(device)
            rgb = rgb if blend is None else blend.mix(rgb)
        targets = batch.labels if blend is None else blend.targets(batch.labels, self.shape.classes)
        return {
            "labels": batch.labels.to(device),
            "targets": targets.to(device),
            "streams": skeleton_streams(batch.x.to(device), GRAPHS[config.graph]),
            "clip": batch.clip.to(device),
            "slot": batch.slot.to(device),
            "rgb": rgb,
            "blend": None if blend is None else blend.mix,
        }

    def set_rate(self, epoch: int, done: float) -> float:
        return set_rates(self.optimizer, self.recipe, epoch + done)

    def validate(self) -> tuple[float, int, int]:
        return summed_loss(predict_hpnet(self.snapshot(), self.val)["hpnet"].scores, self.val.clips.labels)

    def save(self, path: Path, *, epoch: int, figures: dict[str, float]) -> None:
        save_hpnet(path, self.snapshot(epoch, figures))


def train_hpnet(
    config: HPNetConfig,
    train: ModalClips,
    *,
    val: ModalClips,
    model: HPNet,
    shape: HPNetShape,
    out_dir: Path,
    resume: bool = False,
    progress: Callable[[EpochReport], None] | None = None,
) -> Training:
    """Train HP-Net; see `run_training` for what it writes and returns.

    Args:
        config: the recipe.
        train: labelled clips to learn from.
        val: labelled clips to choose the epoch on.
        model: untrained network of `build_hpnet`.
        shape: its sizes.
        out_dir: folder of this training.
        resume: go on after the last finished epoch if there is one.
        progress: called after each epoch, also for those that a resumed run finds done.

    Raises:
        HeatpoolError: if labels or clips are missing, val does not fit train, the device does not fit the
            recipe, a finished or broken off run is there and `resume` is off, or training diverges.
    """
    check_labels(train.clips, val.clips)
    accelerator = make_accelerator(config.shared)
    learner = _HPNetLearner(config, model, shape, train, val, accelerator)
    check_modalities(learner.snapshot(), val)
    return run_training(learner, accelerator, out_dir=out_dir, resume=resume, progress=progress)
