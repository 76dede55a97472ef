"""How far a training has come: its epochs, and the files from which it is resumed and used."""

from __future__ import annotations

import ast
import csv
import io
import math
import time
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from heatpool.classify.training.architecture import Trained
from heatpool.classify.training.checkpoint import save_checkpoint
from heatpool.classify.training.recipe import flat_recipe, modern_names
from heatpool.pool.disk.atomic import refuse_existing, write_bytes, write_text
from heatpool.pool.errors import HeatpoolError

__all__ = ["EpochReport", "Training", "TrainingFiles"]

_SAVE_EVERY_S = 1.0
"""Epochs that end sooner after the last save wait for the next: writing would take longer than they do."""
_FIELDS = ("epoch", "lr", "train/loss", "train/acc", "val/loss", "val/acc/top1")


@dataclass(frozen=True)
class EpochReport:
    """How an epoch (counted from 0) went.

    Attributes:
        epoch: which.
        figures: lr, train/loss, train/acc, val/loss, val/acc/top1 (fractions).
        best_epoch: the best so far by val top-1, ties by val loss.
        resumed: an earlier process did it.
    """

    epoch: int
    figures: dict[str, float]
    best_epoch: int
    resumed: bool = False

    @classmethod
    def after(cls, history: Sequence[EpochReport], figures: dict[str, float]) -> EpochReport:
        """Report the epoch that comes after `history`."""
        epochs = [*(past.figures for past in history), figures]
        # of equal epochs the first one: min keeps it
        best = min(range(len(epochs)), key=lambda n: (-epochs[n]["val/acc/top1"], epochs[n]["val/loss"]))
        return cls(len(history), figures, best)


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


class TrainingFiles:
    """The files of a training: `metrics.csv` and `checkpoints/`.

    Args:
        out_dir: folder of the training.
        recipe: must be equal between a run and its resumption, but for the device.
        clips: numbers of train and val clips; the same.
    """

    def __init__(self, out_dir: Path, recipe: Any, *, clips: tuple[int, int]) -> None:
        folder = out_dir / "checkpoints"
        self.out_dir, self.metrics = out_dir, out_dir / "metrics.csv"
        self.best, self.last = folder / "best.safetensors", folder / "last.safetensors"
        self.state = folder / "last_state.pt"
        plain = {name: repr(value) for name, value in flat_recipe(recipe).items() if name != "device"}
        self.identity = {"config": plain, "clips": list(clips)}
        self._saved_s = -math.inf
        self._best: Trained | None = None  # not written yet

    def save(
        self,
        trained: Trained,
        parts: Mapping[str, Any],
        history: Sequence[EpochReport],
        *,
        seconds: float,
        finished: bool,
    ) -> None:
        """Write best, last, metrics and, as the last file, the state that a resumed run starts from.

        Epochs of less than a second are not all written. Who is killed in between leaves an older state: what
        came after it is repeated, and its files are written again as they were.

        Args:
            trained: the network as the last epoch left it.
            parts: what changes from epoch to epoch, by name in the state.
            history: of all epochs so far.
            seconds: that they took.
            finished: there are no more.
        """
        is_best = history[-1].best_epoch == history[-1].epoch
        if not finished and time.monotonic() - self._saved_s < _SAVE_EVERY_S:
            if is_best:  # the next epoch changes the weights
                self._best = replace(trained, model=deepcopy(trained.model))
            return
        self._saved_s = time.monotonic()
        best, self._best = trained if is_best else self._best, None
        if best is not None:
            save_checkpoint(self.best, best)
        save_checkpoint(self.last, trained)
        text = io.StringIO()
        writer = csv.DictWriter(text, _FIELDS)
        writer.writeheader()
        writer.writerows({"epoch": past.epoch, **past.figures} for past in history)
        write_text(self.metrics, text.getvalue(), overwrite=True)
        state = {
            **{name: part.state_dict() for name, part in parts.items()},
            "history": [{"epoch": p.epoch, "best_epoch": p.best_epoch, **p.figures} for p in history],
            "seconds": seconds,
            "run": self.identity,
        }
        data = io.BytesIO()
        torch.save(state, data)
        write_bytes(self.state, data.getvalue(), overwrite=True)

    def refuse(self) -> tuple[list[EpochReport], float]:
        """Return an empty history and no time for a training that starts here.

        Raises:
            HeatpoolError: if there is one already.
        """
        if self.state.exists():
            refuse_existing(self.out_dir, resumable=True)
        return [], 0.0

    def restore(self, parts: Mapping[str, Any]) -> tuple[list[EpochReport], float]:
        """Put the state of the last finished epoch into `parts`; without one leave them as they are.

        Returns:
            A report of each epoch done, and the seconds they took.

        Raises:
            HeatpoolError: if the state is damaged, or that of another training.
        """
        if not self.state.is_file():
            return [], 0.0
        try:
            state = torch.load(self.state, map_location="cpu", weights_only=True)
            found = _identity_of(state["run"])
            history = [
                EpochReport(
                    past["epoch"],
                    {name: past[name] for name in _FIELDS[1:]},
                    past["best_epoch"],
                    resumed=True,
                )
                for past in state["history"]
            ]
            seconds = float(state["seconds"])
        except Exception as error:  # the restricted loader fails in a dozen ways on a damaged file
            reason = " ".join(str(error).split())[:200]
            raise HeatpoolError(f"cannot resume from {self.state}: {reason}") from error
        if found != self.identity:
            raise HeatpoolError(
                f"{self.state} is of a run with another configuration or other clips; "
                "resume with the same ones, or train into another folder"
            )
        for name, part in parts.items():
            part.load_state_dict(state[name])
        return history, seconds


def _identity_of(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes a run what it is as we write it, whatever build wrote it."""
    config = run["config"]
    if isinstance(config, str):  # HP-Net's was the text of a dict
        nested = ast.literal_eval(config)
        config = {name: repr(value) for name, value in {**nested.pop("shared"), **nested}.items()}
    return {"config": modern_names(config), "clips": run["clips"]}
