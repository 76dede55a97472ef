"""Epochs of streams as they end: log.txt, TensorBoard where it is installed, and the progress bar."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.classify.training.history import EpochReport
from heatpool.classify.training.ranks import is_first_process
from heatpool.pipelines.process.progress import Progress

__all__ = ["EpochLog", "EpochsDone", "progress_note", "read_epochs"]

_SHOWN = 2  # streams beside the bar


@dataclass(frozen=True)
class EpochsDone:
    """How far the training of a stream has come: its epochs, and the figures of the last one."""

    stream: str
    count: int
    loss: float
    val_top1: float

    def __str__(self) -> str:
        return f"{self.stream} loss {self.loss:.3f}, val top-1 {100 * self.val_top1:.1f} %"


def read_epochs(folder: Path) -> EpochsDone | None:
    """Return what the files of a stream say so far; None before its first epoch."""
    try:
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return None
    if not rows:
        return None
    last = rows[-1]
    return EpochsDone(folder.name, len(rows), float(last["train/loss"]), float(last["val/acc/top1"]))


def progress_note(streams: Iterable[EpochsDone]) -> str:
    """Return loss and accuracy of the streams that were trained last, as words beside the bar."""
    return "; ".join(map(str, [*streams][-_SHOWN:]))


class EpochLog:
    """Records the epochs of a stream.

    Args:
        folder: of the stream, named as it is.
        epochs: that it will have.
        write: appends a line to the run's log.
        progress: of all streams, if this process shows it.
        latest: how far each stream of this process has come, which is kept up to date.
        ended: called after each epoch, if given.
    """

    def __init__(
        self,
        folder: Path,
        *,
        epochs: int,
        write: Callable[[str], None],
        progress: Progress | None,
        latest: dict[str, EpochsDone],
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._name, self._epochs, self._write = folder.name, epochs, write
        self._progress, self._latest, self._ended = progress, latest, ended
        self._events = _event_writer(folder / "events") if is_first_process() else None

    def count(self, report: EpochReport) -> None:
        """Record an epoch that was just finished, or count one that an earlier run did."""
        if report.resumed:
            if self._progress:
                self._progress.step()
            return
        name, figures = self._name, report.figures
        words = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        self._write(f"{name} epoch {report.epoch} of {self._epochs}: {words}")
        if self._events is not None:
            for key, value in figures.items():
                self._events.add_scalar(key, value, report.epoch)
            self._events.flush()
        done = EpochsDone(name, report.epoch + 1, figures["train/loss"], figures["val/acc/top1"])
        self._latest[name] = done
        if self._progress:
            self._progress.step(note=progress_note(self._latest.values()))
        if self._ended:
            self._ended()


def _event_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # it is optional
        return None
    return SummaryWriter(str(folder))
