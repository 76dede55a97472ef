"""Training of one stream on one device."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from classify.checkpoint import TrainedStream, build_model, check_compatible, save_model, write_atomic
from classify.clips import ClipSet, channel_stats
from classify.config import TrainConfig
from classify.data import batches, clip_batch
from classify.graph import GRAPHS
from classify.optim import learning_rate, make_optimizer
from classify.predict import predict_scores
from classify.streams import make_stream
from pool.errors import HeatpoolError

__all__ = ["EpochReport", "StreamRun", "train_stream"]

_FIELDS = ("epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1")


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
class StreamRun:
    """A finished training.

    Attributes:
        best: weights file of the best epoch on val.
        last: weights file of the last epoch.
        history: one report per epoch.
        seconds: time spent in this process.
    """

    best: Path
    last: Path
    history: tuple[EpochReport, ...]
    seconds: float


class _Trainer:
    """State of a training between epochs: network, optimiser, history."""

    def __init__(self, config: TrainConfig, train: ClipSet, val: ClipSet, out_dir: Path) -> None:
        self.config, self.train, self.val = config, train, val
        self.folder = out_dir / "checkpoints"
        self.metrics_path = out_dir / "metrics.csv"
        self.device = torch.device(config.device)
        self.stats = channel_stats(train) if config.normalise else None
        self.channels = train.features.shape[-1]
        self.model = build_model(
            config, channels=self.channels, classes=len(train.class_names), persons=train.persons
        ).to(self.device)
        self.optimizer = make_optimizer(config, self.model)
        self.history: list[EpochReport] = []

    def snapshot(self, report: EpochReport) -> TrainedStream:
        return TrainedStream(
            model=self.model,
            config=self.config,
            stats=self.stats,
            class_names=self.train.class_names,
            channels=self.channels,
            persons=self.train.persons,
            source=self.train.source,
            epoch=report.epoch,
            metrics=report.figures,
        )

    def run_epoch(self, epoch: int) -> EpochReport:
        """Train one epoch, score val, and keep the checkpoints."""
        rate = learning_rate(self.config, epoch)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        loss, accuracy = self._train_epoch(epoch)
        figures = {"lr": rate, "train/loss": loss, "train/acc": accuracy, **self._validate()}
        best = min(
            [(-past.figures["val/acc/top1"], past.figures["val/loss"], past.epoch) for past in self.history]
            + [(-figures["val/acc/top1"], figures["val/loss"], epoch)]
        )[2]
        report = EpochReport(epoch=epoch, epochs=self.config.epochs, figures=figures, best_epoch=best)
        self.history.append(report)
        self._save(report)
        return report

    def _train_epoch(self, epoch: int) -> tuple[float, float]:
        # every random number of an epoch comes from the seed and the epoch, so resuming needs no
        # generator state and an epoch that was broken off is repeated exactly
        generator = torch.Generator().manual_seed(self.config.seed * 1_000_003 + epoch)
        graph = GRAPHS[self.config.graph]
        self.model.train()
        total, right = 0.0, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.config.seed * 1_000_003 + epoch)  # dropout
            for chosen in batches(len(self.train), size=self.config.batch, generator=generator):
                batch = clip_batch(
                    self.train,
                    chosen,
                    window=self.config.window,
                    stats=self.stats,
                    generator=generator,
                    p_interval=self.config.p_interval,
                    noise_std=self.config.noise_std,
                    offset_std=self.config.offset_std,
                    scale_jitter=self.config.scale_jitter,
                )
                x = make_stream(batch.x, self.config.stream, graph)
                loss, logits = self._step(x, batch.clip, batch.slot, batch.labels)
                if not np.isfinite(loss):
                    raise HeatpoolError(
                        f"training diverged: the loss became {loss} in epoch {epoch}; use a lower lr than "
                        f"{self.config.lr}, more warmup_epochs or a grad_clip"
                    )
                total += loss * len(batch)
                right += int((logits.argmax(1).cpu() == batch.labels).sum())
        return total / len(self.train), right / len(self.train)

    def _step(self, x: Tensor, clip: Tensor, slot: Tensor, labels: Tensor) -> tuple[float, Tensor]:
        device, config = self.device, self.config
        logits = self.model.forward_packed(x.to(device), clip.to(device), slot.to(device), clips=len(labels))
        loss = nn.functional.cross_entropy(logits, labels.to(device), label_smoothing=config.label_smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if config.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), config.grad_clip)
        self.optimizer.step()
        return float(loss.detach()), logits.detach()

    def _validate(self) -> dict[str, float]:
        trained = self.snapshot(EpochReport(0, 1, {}, 0))
        scores = torch.from_numpy(predict_scores(trained, self.val).scores)
        loss = nn.functional.cross_entropy(scores, self.val.labels)
        right = (scores.argmax(1) == self.val.labels).double().mean()
        return {"val/loss": float(loss), "val/acc/top1": float(right)}

    def _save(self, report: EpochReport) -> None:
        """Write best, last, metrics and, as the last file, the state that a resumed run starts from."""
        trained = self.snapshot(report)
        if report.best_epoch == report.epoch:
            save_model(self.folder / "best.safetensors", trained)
        save_model(self.folder / "last.safetensors", trained)
        text = io.StringIO()
        writer = csv.DictWriter(text, _FIELDS)
        writer.writeheader()
        writer.writerows({"epoch": past.epoch, **past.figures} for past in self.history)
        write_atomic(self.metrics_path, text.getvalue().encode())
        data = io.BytesIO()
        history = [
            {"epoch": past.epoch, "best_epoch": past.best_epoch, **past.figures} for past in self.history
        ]
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "history": history,
                "config": _comparable(self.config),
                "clips": [len(self.train), len(self.val)],
            },
            data,
        )
        write_atomic(self.folder / "last_state.pt", data.getvalue())

    def restore(self) -> None:
        """Take up the state of `last_state.pt`; without one, start from the beginning."""
        path = self.folder / "last_state.pt"
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            config, clips, history = state["config"], state["clips"], state["history"]
        except Exception as error:  # the restricted loader fails in a dozen ways on a damaged file
            raise HeatpoolError(f"cannot resume from {path}: {' '.join(str(error).split())[:200]}") from error
        if config != _comparable(self.config) or clips != [len(self.train), len(self.val)]:
            raise HeatpoolError(
                f"{path} is of a run with another configuration or other clips; "
                "resume with the same ones, or train into another folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for past in history:
            figures = {name: past[name] for name in _FIELDS[1:]}
            report = EpochReport(past["epoch"], self.config.epochs, figures, past["best_epoch"], resumed=True)
            self.history.append(report)


def _comparable(config: TrainConfig) -> dict[str, Any]:
    """Return what must be equal between a run and its resumption, as plain values."""
    return {name: repr(value) for name, value in vars(config).items() if name != "device"}


def train_stream(
    config: TrainConfig,
    train: ClipSet,
    *,
    val: ClipSet,
    out_dir: Path,
    resume: bool = False,
    progress: Callable[[EpochReport], None] | None = None,
) -> StreamRun:
    """Train one stream; the best epoch is chosen on val and nothing else.

    Writes `metrics.csv` and `checkpoints/` (best and last weights, state to resume from) below
    `out_dir`, after every epoch, each file whole or not at all.

    Args:
        config: the recipe.
        train: labelled clips to learn from.
        val: labelled clips to choose the epoch on.
        out_dir: folder of this stream.
        resume: go on after the last finished epoch if there is one. On the CPU the result is that
            of an uninterrupted run.
        progress: called after each epoch, also for those that a resumed run finds done.

    Returns:
        Where the weights are and how the epochs went.

    Raises:
        HeatpoolError: if labels or clips are missing, val does not fit train, a finished or broken
            off run is there and `resume` is off, or training diverges.
    """
    for name, clips in (("train", train), ("val", val)):
        unlabelled = (clips.labels < 0).nonzero().flatten().tolist()
        if len(clips) < (2 if name == "train" else 1):
            raise HeatpoolError(f"the {name} part has {len(clips)} clips; training needs more")
        if unlabelled:
            raise HeatpoolError(
                f"{len(unlabelled)} of {len(clips)} clips in the {name} part have no label, "
                f"for example {clips.clip_ids[unlabelled[0]]!r}; label them or leave them out of the split"
            )
    trainer = _Trainer(config, train, val, out_dir)
    check_compatible(trainer.snapshot(EpochReport(0, 1, {}, 0)), val)
    if resume:
        trainer.restore()
    elif (trainer.folder / "last_state.pt").exists():
        raise HeatpoolError(f"{out_dir} holds a training already; resume it, or choose another folder")
    started = time.perf_counter()
    for past in trainer.history:
        if progress:
            progress(past)
    for epoch in range(len(trainer.history), config.epochs):
        report = trainer.run_epoch(epoch)
        if progress:
            progress(report)
    return StreamRun(
        best=trainer.folder / "best.safetensors",
        last=trainer.folder / "last.safetensors",
        history=tuple(trainer.history),
        seconds=time.perf_counter() - started,
    )
