"""The training loop that single streams, small heads and HP-Net share: epochs, checkpoints, resuming.

It runs in one process, or as one of several that `torchrun` started: accelerate lets them exchange gradients.
"""

from __future__ import annotations

import csv
import io
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from torch import Tensor, nn

from heatpool.classify.data.batches import batches
from heatpool.classify.training.checkpoint import write_atomic
from heatpool.classify.training.recipe import TrainConfig
from heatpool.pool.errors import HeatpoolError

__all__ = ["EpochReport", "Learner", "Training", "run_training"]

_FIELDS = ("epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1")
_STATE = "last_state.pt"


@dataclass(frozen=True)
class EpochReport:
    """How an epoch (counted from 0) went.

    Attributes:
        epoch: which.
        epochs: of how many.
        figures: lr, train/loss, train/acc, val/loss, val/acc/top1 (fractions).
        best_epoch: the best so far by val top-1, ties by val loss.
        resumed: an earlier process did it.
    """

    epoch: int
    epochs: int
    figures: dict[str, float]
    best_epoch: int
    resumed: bool = False


@dataclass(frozen=True)
class Training:
    """A finished training.

    Attributes:
        best: weights file of the best epoch on val.
        last: weights file of the last epoch.
        history: one report per epoch.
        seconds: time that its epochs took, those before a resumption included.
    """

    best: Path
    last: Path
    history: tuple[EpochReport, ...]
    seconds: float


class Learner(Protocol):
    """What a training is of: its clips, network, recipe and files.

    Attributes:
        config: the recipe.
        clips: number of training clips.
        optimizer: of the network's parameters.
        identity: what must be equal between a run and its resumption, of plain values.
    """

    config: TrainConfig
    clips: int
    optimizer: torch.optim.Optimizer
    identity: dict[str, Any]

    @property
    def network(self) -> nn.Module:
        """What is trained."""

    @property
    def objective(self) -> nn.Module:
        """Holds the network; of what `batch` returns it makes the mean loss and the number of right clips."""

    def batch(
        self, chosen: Tensor, *, generator: torch.Generator, random: np.random.Generator
    ) -> dict[str, Any]:
        """Arguments of the objective for the clips at positions (B,), on the training's device."""

    def set_rate(self, epoch: int, done: float) -> float:
        """Set the rates of a step after which the share `done` of an epoch is over; return the largest."""

    def validate(self) -> tuple[float, int, int]:
        """Return the summed loss, the right clips and all clips of this process' share of val."""

    def save(self, path: Path, *, epoch: int, figures: dict[str, float]) -> None:
        """Write the weights and all that it takes to use them."""


class _Loop:
    """State of a training between epochs."""

    def __init__(self, learner: Learner, accelerator: Accelerator, out_dir: Path) -> None:
        self.learner, self.accelerator, self.config = learner, accelerator, learner.config
        device, dtype = accelerator.device.type, getattr(torch, learner.config.dtype)
        self.autocast = torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)
        # gradients of float16 would vanish without a scale; disabled, it does nothing
        self.scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
        self.folder, self.metrics_path = out_dir / "checkpoints", out_dir / "metrics.csv"
        self.history: list[EpochReport] = []
        self.seconds = 0.0
        self.objective: Any = accelerator.prepare(learner.objective)

    def run_epoch(self, epoch: int) -> EpochReport:
        """Train one epoch, score val, and keep the checkpoints."""
        started = time.perf_counter()
        figures = {**self._train_epoch(epoch), **self._validate()}
        past = [
            (-each.figures["val/acc/top1"], each.figures["val/loss"], each.epoch) for each in self.history
        ]
        best = min([*past, (-figures["val/acc/top1"], figures["val/loss"], epoch)])[2]
        report = EpochReport(epoch, self.config.epochs, figures, best)
        self.history.append(report)
        self.seconds += time.perf_counter() - started
        if self.accelerator.is_main_process:
            self._save(report)
        return report

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        # every random number of an epoch comes from the seed, the epoch and the process, so resuming needs
        # no generator state and an epoch that was broken off is repeated exactly
        config, process = self.config, self.accelerator.process_index
        seed = config.seed * 1_000_003 + epoch
        generator = torch.Generator().manual_seed(seed)
        order = list(batches(self.learner.clips, size=config.batch, generator=generator))
        if process:  # all share the order, none another's augmentation
            seed += process * 1_000_000_007
            generator.manual_seed(seed)
        random = np.random.default_rng(seed)
        self.objective.train()
        # sums stay on the device: reading them at every step would make it wait for the CPU
        sums = torch.zeros(2, dtype=torch.float64, device=self.accelerator.device)
        rate = 0.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # dropout
            for first in range(0, len(order), config.accumulation):
                group = order[first : first + config.accumulation]
                done = (first + len(group)) / len(order)
                rate = max(rate, self.learner.set_rate(epoch, done))
                sums += self._step(group, generator, random)
        loss, right = (self.accelerator.reduce(sums, "sum") / self.learner.clips).tolist()
        if not math.isfinite(loss):
            raise HeatpoolError(
                f"training diverged: the loss became {loss} in epoch {epoch}; use a lower --learning-rate "
                f"than {config.lr}"
            )
        return {"lr": rate, "train/loss": loss, "train/acc": right}

    def _step(
        self, group: Sequence[Tensor], generator: torch.Generator, random: np.random.Generator
    ) -> Tensor:
        """Add the gradients of some batches and take a step; return (2,): summed loss, right clips."""
        accelerator, processes = self.accelerator, self.accelerator.num_processes
        optimizer = self.learner.optimizer
        optimizer.zero_grad(set_to_none=True)
        sums = torch.zeros(2, dtype=torch.float64, device=accelerator.device)
        for number, chosen in enumerate(group, 1):
            mine = chosen.tensor_split(processes)[accelerator.process_index]
            share = len(mine) * processes / len(chosen)  # gradients are averaged over processes
            if not len(mine):
                mine = chosen[:1]  # with weight 0: every process takes part in every exchange
            batch = self.learner.batch(mine, generator=generator, random=random)
            with nullcontext() if number == len(group) else accelerator.no_sync(self.objective):
                with self.autocast:
                    loss, right = self.objective(**batch)
                self.scaler.scale(loss * (share / len(group))).backward()
            if share:
                sums += torch.stack([loss.detach().double() * len(mine), right.double()])
        if self.config.grad_clip:
            self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.objective.parameters(), self.config.grad_clip)
        self.scaler.step(optimizer)
        self.scaler.update()
        return sums

    def _validate(self) -> dict[str, float]:
        if self.accelerator.num_processes > 1:  # running statistics differ between processes
            for buffer in self.learner.network.buffers():
                broadcast(buffer)
        sums = torch.tensor(self.learner.validate(), dtype=torch.float64, device=self.accelerator.device)
        loss, right, clips = self.accelerator.reduce(sums, "sum").tolist()
        return {"val/loss": loss / clips, "val/acc/top1": right / clips}

    def _save(self, report: EpochReport) -> None:
        """Write best, last, metrics and, as the last file, the state that a resumed run starts from."""
        names = ["best", "last"] if report.best_epoch == report.epoch else ["last"]
        for name in names:
            path = self.folder / f"{name}.safetensors"
            self.learner.save(path, epoch=report.epoch, figures=report.figures)
        text = io.StringIO()
        writer = csv.DictWriter(text, _FIELDS)
        writer.writeheader()
        writer.writerows({"epoch": past.epoch, **past.figures} for past in self.history)
        write_atomic(self.metrics_path, text.getvalue().encode())
        state = {
            "model": self.learner.network.state_dict(),
            "optimizer": self.learner.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "history": [{"epoch": p.epoch, "best_epoch": p.best_epoch, **p.figures} for p in self.history],
            "seconds": self.seconds,
            "run": self.learner.identity,
        }
        data = io.BytesIO()
        torch.save(state, data)
        write_atomic(self.folder / _STATE, data.getvalue())

    def restore(self) -> None:
        """Take up the state that the last finished epoch left; without one, start from the beginning."""
        path = self.folder / _STATE
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            run, history, self.seconds = state["run"], state["history"], state["seconds"]
        except Exception as error:  # the restricted loader fails in a dozen ways on a damaged file
            raise HeatpoolError(f"cannot resume from {path}: {' '.join(str(error).split())[:200]}") from error
        if run != self.learner.identity:
            raise HeatpoolError(
                f"{path} is of a run with another configuration or other clips; "
                "resume with the same ones, or train into another folder"
            )
        self.learner.network.load_state_dict(state["model"])
        self.learner.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        for past in history:
            figures = {name: past[name] for name in _FIELDS[1:]}
            self.history.append(
                EpochReport(past["epoch"], self.config.epochs, figures, past["best_epoch"], resumed=True)
            )


def run_training(
    learner: Learner,
    accelerator: Accelerator,
    *,
    out_dir: Path,
    resume: bool,
    progress: Callable[[EpochReport], None] | None,
) -> Training:
    """Train, or go on with a training; the best epoch is chosen on val and nothing else.

    Writes `metrics.csv` and `checkpoints/` (best and last weights, state to resume from) below `out_dir`,
    after every epoch, each file whole or not at all. Several processes share each batch, the first writes.

    Args:
        learner: what to train.
        accelerator: device and processes, of `make_accelerator`.
        out_dir: folder of this training.
        resume: go on after the last finished epoch if there is one. On the CPU the result is that of an
            uninterrupted run.
        progress: called after each epoch, also for those that a resumed run finds done.

    Raises:
        HeatpoolError: if a finished or broken off run is there and `resume` is off, it cannot be resumed, or
            training diverges.
    """
    loop = _Loop(learner, accelerator, out_dir)
    if resume:
        loop.restore()
    elif (loop.folder / _STATE).exists():
        raise HeatpoolError(f"{out_dir} holds a training already; resume it, or choose another folder")
    accelerator.wait_for_everyone()  # before the first one writes what the others would take for an old run
    for past in loop.history:
        if progress:
            progress(past)
    for epoch in range(len(loop.history), learner.config.epochs):
        report = loop.run_epoch(epoch)
        if progress:
            progress(report)
    accelerator.wait_for_everyone()  # until the weights are there for all
    return Training(
        best=loop.folder / "best.safetensors",
        last=loop.folder / "last.safetensors",
        history=tuple(loop.history),
        seconds=loop.seconds,
    )
