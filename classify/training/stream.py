"""Training of one stream."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from heatpool.classify.data.batches import clip_batch
from heatpool.classify.data.clips import ClipSet, channel_stats
from heatpool.classify.data.streams import make_stream
from heatpool.classify.networks.graph import GRAPHS
from heatpool.classify.training.checkpoint import (
    Network,
    TrainedStream,
    build_model,
    check_compatible,
    save_model,
)
from heatpool.classify.training.loop import EpochReport, Training, run_training
from heatpool.classify.training.optim import learning_rate, make_optimizer
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.processes import make_accelerator, share_of
from heatpool.classify.training.recipe import TrainConfig
from heatpool.pool.errors import HeatpoolError

__all__ = ["check_labels", "summed_loss", "train_stream"]


class _Objective(nn.Module):
    """Mean loss of a batch and its right clips."""

    def __init__(self, network: Network, label_smoothing: float) -> None:
        super().__init__()
        self.network, self.label_smoothing = network, label_smoothing

    def forward(self, x: Tensor, clip: Tensor, slot: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.network.forward_packed(x, clip, slot, clips=len(labels))
        loss = nn.functional.cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return loss, (logits.detach().argmax(1) == labels).sum()


class _StreamLearner:
    """A stream, as the training loop sees it."""

    def __init__(self, config: TrainConfig, train: ClipSet, val: ClipSet, accelerator: Accelerator) -> None:
        self.config, self.train, self.device = config, train, accelerator.device
        self.clips = len(train)
        self.val = share_of(val, accelerator)
        self.stats = channel_stats(train) if config.normalise else None
        self.channels = train.features.shape[-1]
        self.network = build_model(
            config, channels=self.channels, classes=len(train.class_names), persons=train.persons
        ).to(self.device)
        self.objective = _Objective(self.network, config.label_smoothing)
        self.optimizer = make_optimizer(config, self.network)
        plain = {name: repr(value) for name, value in vars(config).items() if name != "device"}
        self.identity: dict[str, Any] = {"config": plain, "clips": [len(train), len(val)]}

    def snapshot(self, epoch: int = 0, figures: dict[str, float] | None = None) -> TrainedStream:
        return TrainedStream(
            model=self.network,
            config=self.config,
            stats=self.stats,
            class_names=self.train.class_names,
            channels=self.channels,
            persons=self.train.persons,
            source=self.train.source,
            epoch=epoch,
            metrics=figures or {},
        )

    def batch(
        self, chosen: Tensor, *, generator: torch.Generator, random: np.random.Generator
    ) -> dict[str, Any]:
        config = self.config
        batch = clip_batch(self.train, chosen, stats=self.stats, generator=generator, **config.crop)
        tensors = {
            "x": make_stream(batch.x, config.stream, GRAPHS[config.graph]),
            "clip": batch.clip,
            "slot": batch.slot,
            "labels": batch.labels,
        }
        return {name: tensor.to(self.device) for name, tensor in tensors.items()}

    def set_rate(self, epoch: int, done: float) -> float:
        rate = learning_rate(self.config, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def validate(self) -> tuple[float, int, int]:
        return summed_loss(predict_scores(self.snapshot(), self.val).scores, self.val.labels)

    def save(self, path: Path, *, epoch: int, figures: dict[str, float]) -> None:
        save_model(path, self.snapshot(epoch, figures))


def summed_loss(scores: np.ndarray, labels: Tensor) -> tuple[float, int, int]:
    """Return the summed cross entropy, the right clips and all clips of logits (n, K) with labels (n,)."""
    logits = torch.from_numpy(scores)
    loss = nn.functional.cross_entropy(logits, labels) * len(labels) if len(labels) else torch.zeros(())
    return float(loss), int((logits.argmax(1) == labels).sum()), len(labels)


def check_labels(train: ClipSet, val: ClipSet) -> None:
    """Refuse parts that nothing can be learned from.

    Raises:
        HeatpoolError: if train has fewer than two clips, val none, or one has no label.
    """
    for name, clips, needed in (("train", train, 2), ("val", val, 1)):
        unlabelled = (clips.labels < 0).nonzero().flatten().tolist()
        if len(clips) < needed:
            raise HeatpoolError(f"the {name} part has {len(clips)} clips; training needs more")
        if unlabelled:
            raise HeatpoolError(
                f"{len(unlabelled)} of {len(clips)} clips in the {name} part have no label, "
                f"for example {clips.clip_ids[unlabelled[0]]!r}; label them or leave them out of the split"
            )


def train_stream(
    config: TrainConfig,
    train: ClipSet,
    *,
    val: ClipSet,
    out_dir: Path,
    resume: bool = False,
    progress: Callable[[EpochReport], None] | None = None,
) -> Training:
    """Train one stream; see `run_training` for what it writes and returns.

    Args:
        config: the recipe.
        train: labelled clips to learn from.
        val: labelled clips to choose the epoch on.
        out_dir: folder of this stream.
        resume: go on after the last finished epoch if there is one.
        progress: called after each epoch, also for those that a resumed run finds done.

    Raises:
        HeatpoolError: if labels or clips are missing, val does not fit train, the device does not fit the
            recipe, a finished or broken off run is there and `resume` is off, or training diverges.
    """
    check_labels(train, val)
    accelerator = make_accelerator(config)
    learner = _StreamLearner(config, train, val, accelerator)
    check_compatible(learner.snapshot(), val)
    return run_training(learner, accelerator, out_dir=out_dir, resume=resume, progress=progress)
