"""The training loop that single streams, small heads and HP-Net share: epochs, steps, validation.

It runs in one process, or as one of several that `torchrun` started, which exchange gradients.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.classify.data.batches import batches
from heatpool.classify.data.clips import ClipSet, channel_stats
from heatpool.classify.training.architecture import Architecture, NetworkShape, RandomSources, Trained
from heatpool.classify.training.checkpoint import check_compatible
from heatpool.classify.training.history import EpochReport, Training, TrainingFiles
from heatpool.classify.training.predict import eval_inputs, logits_of, on_device
from heatpool.classify.training.processes import Processes
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.split_findings.labels import require_labels

__all__ = ["summed_losses", "train_network"]

_KEPT_FLOATS = 16 << 20
"""Validation is the same in every epoch: inputs of up to so many values are prepared once."""


def train_network(
    architecture: Architecture,
    train: ClipSet,
    *,
    val: ClipSet,
    out_dir: Path,
    resume: bool = False,
    progress: Callable[[EpochReport], None] | None = None,
    shape: NetworkShape | None = None,
    network: nn.Module | None = None,
) -> Training:
    """Train a network, or resume its training; the best epoch is chosen on val and nothing else.

    Writes `metrics.csv` and `checkpoints/` (best and last weights, state to resume from) below `out_dir`,
    after every epoch of a second or more, each file whole or not at all. Several processes share each batch,
    the first writes.

    Args:
        architecture: kind and recipe of the network.
        train: labelled clips to learn from.
        val: labelled clips to choose the epoch on.
        out_dir: folder of this training.
        resume: continue after the last epoch written, if there is one. On the CPU the result is that of an
            uninterrupted run.
        progress: called after each epoch, also for those that a resumed run finds done.
        shape: sizes of the network; default those of the skeleton features.
        network: of this architecture and shape, where it begins with more than random weights.

    Raises:
        HeatpoolError: if labels or clips are missing, val does not fit train, the device does not fit the
            recipe, a finished or interrupted run is there and `resume` is off, it cannot be resumed, or
            training diverges.
    """
    _check_splits(train, val)
    shape = shape or NetworkShape.of(train)
    network = network or architecture.build(shape)
    processes = Processes(architecture.shared)
    loop = _Loop(architecture, network, shape, train, val, processes)
    check_compatible(loop.trained(), val)
    files = TrainingFiles(out_dir, architecture.recipe, clips=(len(train), len(val)))
    history, seconds = files.restore(loop.parts) if resume else files.refuse()
    processes.wait()  # before the first one writes what the others would take for an old run
    for past in history:
        if progress:
            progress(past)
    for epoch in range(len(history), architecture.shared.epochs):
        started = time.perf_counter()
        figures = {**loop.train_epoch(epoch), **loop.validate()}
        report = EpochReport.after(history, figures)
        history.append(report)
        seconds += time.perf_counter() - started
        if processes.index == 0:
            finished = epoch + 1 == architecture.shared.epochs
            files.save(loop.trained(report), loop.parts, history, seconds=seconds, finished=finished)
        if progress:
            progress(report)
    processes.wait()  # until the weights are there for all
    return Training(best=files.best, last=files.last, history=tuple(history), seconds=seconds)


def summed_losses(heads: dict[str, Tensor], targets: Tensor, *, label_smoothing: float = 0.0) -> Tensor:
    """Cross entropy of the class scores plus that of each auxiliary head, all with weight 1.

    Args:
        heads: (B, K) logits.
        targets: (B,) int64 labels, or (B, K) shares of the classes.
        label_smoothing: share of the target spread over all classes.

    Source: HP-Net, section 3, and its published training script.
    """
    smoothing = label_smoothing
    losses = [
        nn.functional.cross_entropy(each, targets, label_smoothing=smoothing) for each in heads.values()
    ]
    return torch.stack(losses).sum()


def _check_splits(train: ClipSet, val: ClipSet) -> None:
    """Refuse splits that nothing can be learned from."""
    for name, clips, needed in (("train", train, 2), ("val", val, 1)):
        if len(clips) < needed:
            raise HeatpoolError(f"the {name} split has {len(clips)} clips; training needs more")
        require_labels(clips.labels.numpy(), clips.clip_ids, f"the {name} split needs labels")


class _Objective(nn.Module):
    """Loss of a batch and its correct clips: what several processes run forward and backward."""

    def __init__(self, architecture: Architecture, network: nn.Module) -> None:
        super().__init__()
        self.network, self.architecture = network, architecture

    def forward(self, labels: Tensor, targets: Tensor, **inputs: Any) -> tuple[Tensor, Tensor]:
        heads = self.architecture.logits(self.network, inputs)
        smoothing = self.architecture.shared.label_smoothing
        main = next(iter(heads.values())).detach()
        return summed_losses(heads, targets, label_smoothing=smoothing), (main.argmax(1) == labels).sum()


class _Loop:
    """What a training holds between its epochs."""

    def __init__(
        self,
        architecture: Architecture,
        network: nn.Module,
        shape: NetworkShape,
        train: ClipSet,
        val: ClipSet,
        processes: Processes,
    ) -> None:
        self.architecture, self.shape, self.train, self.processes = architecture, shape, train, processes
        self.recipe, self.device = architecture.shared, processes.device
        # each process validates its part, so that val costs the less the more there are
        self.val = processes.part(val)
        self.kept: list[dict[str, Any]] | None = None
        self.stats = channel_stats(train) if self.recipe.normalise else None
        self.network = network
        # first the device, then the optimiser: its state lies where the parameters are
        self.objective = processes.wrap(_Objective(architecture, network))
        self.optimizer = architecture.optimizer(network)
        dtype = getattr(torch, self.recipe.dtype)
        self.autocast = torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32)
        # gradients of float16 would vanish without a scale; disabled, it does nothing
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        # Apple's GPUs have no float64
        self.sum_dtype = torch.float32 if self.device.type == "mps" else torch.float64

    @property
    def parts(self) -> dict[str, Any]:
        """All that changes from epoch to epoch, by name in the state file."""
        return {"model": self.network, "optimizer": self.optimizer, "scaler": self.scaler}

    def trained(self, report: EpochReport | None = None) -> Trained:
        """The network as it is now, as a checkpoint has it."""
        return Trained(
            model=self.network,
            architecture=self.architecture,
            shape=self.shape,
            stats=self.stats,
            class_names=self.train.class_names,
            source=self.train.source,
            epoch=report.epoch if report else 0,
            metrics=report.figures if report else {},
        )

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """Go through the training clips once; return lr, train/loss and train/acc."""
        # every random number of an epoch comes from the seed, the epoch and the process, so resuming needs
        # no generator state and an epoch that was interrupted is repeated exactly
        recipe, index = self.recipe, self.processes.index
        seed = recipe.seed * 1_000_003 + epoch
        generator = torch.Generator().manual_seed(seed)
        order = list(batches(len(self.train), size=recipe.batch_size, generator=generator))
        if index:  # all share the order, none another's augmentation
            seed += index * 1_000_000_007
            generator.manual_seed(seed)
        random = RandomSources(generator, np.random.default_rng(seed))
        self.objective.train()
        # sums stay on the device: reading them at every step would make it wait for the CPU
        sums = torch.zeros(2, dtype=self.sum_dtype, device=self.device)
        rate = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # dropout
            for first in range(0, len(order), recipe.accumulation):
                group = order[first : first + recipe.accumulation]
                done = (first + len(group)) / len(order)
                rate = max(rate, self.architecture.set_rate(self.optimizer, epoch, done))
                sums += self._step(group, random)
        loss, correct = (self.processes.sum(sums) / len(self.train)).tolist()
        if not math.isfinite(loss):
            raise HeatpoolError(
                f"training diverged: the loss became {loss} in epoch {epoch}; use a lower --learning-rate "
                f"than {recipe.learning_rate}"
            )
        return {"lr": rate, "train/loss": loss, "train/acc": correct}

    def _step(self, group: Sequence[Tensor], random: RandomSources) -> Tensor:
        """Add the gradients of some batches and take a step; return (2,): summed loss, correct clips."""
        count = self.processes.count
        self.optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(2, dtype=self.sum_dtype, device=self.device)
        for number, chosen in enumerate(group, 1):
            mine = chosen.tensor_split(count)[self.processes.index]
            # gradients are averaged over processes: who has more of a batch than another counts for more
            share = len(mine) * count / len(chosen)
            if not len(mine):
                mine = chosen[:1]  # with weight 0: every process takes part in every exchange
            inputs, targets = self.architecture.inputs(self.train, mine, stats=self.stats, random=random)
            inputs |= {"labels": self.train.labels[mine], "targets": targets}
            # gradients that are added up are exchanged once, with those of the last batch
            with nullcontext() if number == len(group) else self.processes.alone(self.objective):
                with self.autocast:
                    loss, correct = self.objective(**on_device(inputs, self.device))
                self.scaler.scale(loss * (share / len(group))).backward()
            if share:
                sums += torch.stack(
                    [loss.detach().to(self.sum_dtype) * len(mine), correct.to(self.sum_dtype)]
                )
        if self.recipe.grad_clip:
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.objective.parameters(), self.recipe.grad_clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return sums

    def validate(self) -> dict[str, float]:
        """Score val; return val/loss and val/acc/top1."""
        # running statistics differ between processes, each saw its part of the batches
        self.processes.share(self.network.buffers())
        loss, correct, count = 0.0, 0, len(self.val)
        if count:
            trained = self.trained()
            if self.kept is None and math.prod(self.val.features.shape) <= _KEPT_FLOATS:
                self.kept = list(eval_inputs(trained, self.val))
            heads = logits_of(trained, self.kept or eval_inputs(trained, self.val))
            logits, labels = next(iter(heads.values())), self.val.labels
            loss = float(nn.functional.cross_entropy(logits, labels) * count)
            correct = int((logits.argmax(1) == labels).sum())
        sums = torch.tensor([loss, correct, count], dtype=self.sum_dtype, device=self.device)
        loss, correct, count = self.processes.sum(sums).tolist()
        return {"val/loss": loss / count, "val/acc/top1": correct / count}
