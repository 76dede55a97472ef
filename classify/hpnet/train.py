"""Training of HP-Net on one device."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from classify.checkpoint import write_atomic
from classify.clips import channel_stats
from classify.data import batches, clip_batch
from classify.graph import GRAPHS
from classify.hpnet.blending import Blend, draw_blend
from classify.hpnet.checkpoint import HPNetShape, TrainedHPNet, check_modalities, save_hpnet
from classify.hpnet.config import HPNetConfig
from classify.hpnet.data import ModalClips, StoredCrops
from classify.hpnet.network import HPNet, HPNetOutput
from classify.hpnet.optim import make_optimizer, set_rates
from classify.hpnet.pictures import augment, normalise
from classify.hpnet.predict import predict_hpnet, skeleton_streams
from classify.train import EpochReport, StreamRun
from pool.errors import HeatpoolError

__all__ = ["hpnet_loss", "train_hpnet"]

_FIELDS = ("epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1")


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


class _Trainer:
    """State of a training between epochs: network, optimiser, history."""

    def __init__(
        self,
        config: HPNetConfig,
        model: HPNet,
        shape: HPNetShape,
        train: ModalClips,
        val: ModalClips,
        out_dir: Path,
    ) -> None:
        self.config, self.shape, self.train, self.val = config, shape, train, val
        self.folder, self.metrics_path = out_dir / "checkpoints", out_dir / "metrics.csv"
        self.device = torch.device(config.shared.device)
        self.stats = channel_stats(train.clips) if config.shared.normalise else None
        self.model = model.to(self.device)
        self.optimizer = make_optimizer(config, self.model)
        self.history: list[EpochReport] = []

    def snapshot(self, epoch: int = 0, figures: dict[str, float] | None = None) -> TrainedHPNet:
        return TrainedHPNet(
            model=self.model,
            config=self.config,
            shape=self.shape,
            stats=self.stats,
            class_names=self.train.clips.class_names,
            source=self.train.clips.source,
            rgb_source=self.train.rgb_source,
            epoch=epoch,
            metrics=figures or {},
        )

    def run_epoch(self, epoch: int) -> EpochReport:
        """Train one epoch, score val, and keep the checkpoints."""
        rate, loss, accuracy = self._train_epoch(epoch)
        figures = {"lr": rate, "train/loss": loss, "train/acc": accuracy, **self._validate()}
        past = [
            (-each.figures["val/acc/top1"], each.figures["val/loss"], each.epoch) for each in self.history
        ]
        best = min([*past, (-figures["val/acc/top1"], figures["val/loss"], epoch)])[2]
        report = EpochReport(epoch, self.config.shared.epochs, figures, best)
        self.history.append(report)
        self._save(report)
        return report

    def _train_epoch(self, epoch: int) -> tuple[float, float, float]:
        """Return the largest learning rate, the mean loss and the share of right clips of an epoch."""
        # every random number of an epoch comes from the seed and the epoch, so resuming needs no
        # generator state and an epoch that was broken off is repeated exactly
        shared, seed = self.config.shared, self.config.shared.seed * 1_000_003 + epoch
        generator, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
        self.model.train()
        rate, total, right = 0.0, 0.0, 0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # dropout
            order = list(batches(len(self.train), size=shared.batch, generator=generator))
            for first in range(0, len(order), self.config.accumulation):
                group = order[first : first + self.config.accumulation]
                done = min(first + len(group), len(order)) / len(order)
                rate = max(rate, set_rates(self.optimizer, self.config, epoch + done))
                loss, correct = self._step(group, generator, random)
                if not np.isfinite(loss):
                    raise HeatpoolError(
                        f"training diverged: the loss became {loss} in epoch {epoch}; use a lower "
                        f"--learning-rate than {shared.lr}"
                    )
                total, right = total + loss, right + correct
        return rate, total / len(self.train), right / len(self.train)

    def _step(
        self, group: Sequence[Tensor], generator: torch.Generator, random: np.random.Generator
    ) -> tuple[float, int]:
        """Add the gradients of some batches and take a step; return the summed loss and the right clips."""
        self.optimizer.zero_grad(set_to_none=True)
        total, right = 0.0, 0
        for chosen in group:
            blend = draw_blend(self.config, len(chosen), random)
            output, labels = self._forward(chosen, blend, generator, random)
            targets = labels if blend is None else blend.targets(labels, self.shape.classes)
            loss = hpnet_loss(output, targets, label_smoothing=self.config.shared.label_smoothing)
            (loss / len(group)).backward()
            total += float(loss.detach()) * len(chosen)
            right += int((output.logits.argmax(1) == labels).sum())
        if self.config.shared.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.shared.grad_clip)
        self.optimizer.step()
        return total, right

    def _forward(
        self,
        chosen: Tensor,
        blend: Blend | None,
        generator: torch.Generator,
        random: np.random.Generator,
    ) -> tuple[HPNetOutput, Tensor]:
        """Run the network on the clips at positions (B,); return its answer and their labels."""
        shared, device = self.config.shared, self.device
        batch = clip_batch(
            self.train.clips,
            chosen,
            window=shared.window,
            stats=self.stats,
            generator=generator,
            p_interval=shared.p_interval,
            noise_std=shared.noise_std,
            offset_std=shared.offset_std,
            scale_jitter=shared.scale_jitter,
        )
        held, rgb = self.train.rgb, None
        if isinstance(held, StoredCrops):
            rgb = normalise(augment(held.pictures(chosen), self.config, random)).to(device)
            rgb = rgb if blend is None else blend.pictures(rgb)
        elif held is not None:
            rgb = held[chosen].float().to(device)
            rgb = rgb if blend is None else blend.mix(rgb)
        output = self.model(
            skeleton_streams(batch.x.to(device), GRAPHS[shared.graph]),
            batch.clip.to(device),
            batch.slot.to(device),
            clips=len(batch),
            rgb=rgb,
            blend=None if blend is None else blend.mix,
        )
        return output, batch.labels.to(device)

    def _validate(self) -> dict[str, float]:
        answer = predict_hpnet(self.snapshot(), self.val)["hpnet"]
        scores, labels = torch.from_numpy(answer.scores), self.val.clips.labels
        loss = nn.functional.cross_entropy(scores, labels)
        return {
            "val/loss": float(loss),
            "val/acc/top1": float((scores.argmax(1) == labels).double().mean()),
        }

    def _save(self, report: EpochReport) -> None:
        """Write best, last, metrics and, as the last file, the state that a resumed run starts from."""
        trained = self.snapshot(report.epoch, report.figures)
        if report.best_epoch == report.epoch:
            save_hpnet(self.folder / "best.safetensors", trained)
        save_hpnet(self.folder / "last.safetensors", trained)
        text = io.StringIO()
        writer = csv.DictWriter(text, _FIELDS)
        writer.writeheader()
        writer.writerows({"epoch": past.epoch, **past.figures} for past in self.history)
        write_atomic(self.metrics_path, text.getvalue().encode())
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": [{"epoch": p.epoch, "best_epoch": p.best_epoch, **p.figures} for p in self.history],
            "run": self._identity(),
        }
        data = io.BytesIO()
        torch.save(state, data)
        write_atomic(self.folder / "last_state.pt", data.getvalue())

    def _identity(self) -> dict[str, Any]:
        """What must be equal between a run and its resumption, as plain values."""
        config = asdict(self.config)
        config["shared"].pop("device")
        sizes = [len(self.train), len(self.val)]
        return {"config": repr(config), "shape": repr(self.shape), "clips": sizes}

    def restore(self) -> None:
        """Take up the state of `last_state.pt`; without one, start from the beginning."""
        path = self.folder / "last_state.pt"
        if not path.is_file():
            return
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            run, history = state["run"], state["history"]
        except Exception as error:  # the restricted loader fails in a dozen ways on a damaged file
            raise HeatpoolError(f"cannot resume from {path}: {' '.join(str(error).split())[:200]}") from error
        if run != self._identity():
            raise HeatpoolError(
                f"{path} is of a run with another configuration or other clips; "
                "resume with the same ones, or train into another folder"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        for past in history:
            figures = {name: past[name] for name in _FIELDS[1:]}
            epochs, best = self.config.shared.epochs, past["best_epoch"]
            self.history.append(EpochReport(past["epoch"], epochs, figures, best, resumed=True))


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
) -> StreamRun:
    """Train HP-Net; the best epoch is chosen on val and nothing else.

    Writes `metrics.csv` and `checkpoints/` (best and last weights, state to resume from) below `out_dir`,
    after every epoch, each file whole or not at all.

    Args:
        config: the recipe.
        train: labelled clips to learn from.
        val: labelled clips to choose the epoch on.
        model: untrained network of `build_hpnet`.
        shape: its sizes.
        out_dir: folder of this training.
        resume: go on after the last finished epoch if there is one. On the CPU the result is that of an
            uninterrupted run.
        progress: called after each epoch, also for those that a resumed run finds done.

    Returns:
        Where the weights are and how the epochs went.

    Raises:
        HeatpoolError: if labels or clips are missing, val does not fit train, a finished or broken off
            run is there and `resume` is off, or training diverges.
    """
    for name, part, needed in (("train", train, 2), ("val", val, 1)):
        if len(part) < needed or (part.clips.labels < 0).any():
            unlabelled = int((part.clips.labels < 0).sum())
            raise HeatpoolError(
                f"expected at least {needed} clips with labels in the {name} part, got {len(part)}, "
                f"{unlabelled} of them without; label them or leave them out of the split"
            )
    trainer = _Trainer(config, model, shape, train, val, out_dir)
    check_modalities(trainer.snapshot(), val)
    if resume:
        trainer.restore()
    elif (trainer.folder / "last_state.pt").exists():
        raise HeatpoolError(f"{out_dir} holds a training already; resume it, or choose another folder")
    started = time.perf_counter()
    for past in trainer.history:
        if progress:
            progress(past)
    for epoch in range(len(trainer.history), config.shared.epochs):
        report = trainer.run_epoch(epoch)
        if progress:
            progress(report)
    return StreamRun(
        best=trainer.folder / "best.safetensors",
        last=trainer.folder / "last.safetensors",
        history=tuple(trainer.history),
        seconds=time.perf_counter() - started,
    )
