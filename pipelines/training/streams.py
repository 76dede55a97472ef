"""Training the streams of a run: what each learns from, in which process, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from heatpool.classify.data.batches import load_clips, load_splits
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.data.streams import STREAMS, StreamName
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.training.checkpoint import load_model
from heatpool.classify.training.loop import EpochReport
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.processes import is_first_process, process_count
from heatpool.classify.training.recipe import TrainConfig
from heatpool.classify.training.stream import train_stream
from heatpool.pipelines.process.device import set_threads
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.training.run_dir import log_line
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore, SplitName

__all__ = [
    "RunPlan", "StreamJob", "StreamLog", "StreamResult", "score_stream", "side_by_side", "stream_inputs",
    "stream_source", "train_streams",
]  # fmt: skip

_INPUTS: dict[str, dict[str, Any]] = {
    "pooled": {"input": "pooled"},
    "keypoints": {"input": "keypoints", "keypoints_frame": "image"},
}
"""Arguments of `load_splits` by input."""


_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What training one seed takes besides the recipe.

    Attributes:
        location: of the store, for `FeatureStore.open`.
        rows: (n,) rows of train, val and test.
        out: run folder; each stream writes into a folder of its name below it.
        seed: of weights, order and augmentation.
        device: as torch knows it.
        threads: CPU threads for the whole run.
        cache: of decoded features.
        resume: go on where an earlier run was interrupted.
        quiet: show no progress.
    """

    location: str
    rows: Mapping[str, np.ndarray]
    out: Path
    seed: int
    device: str
    threads: int
    cache: LoaderCache
    resume: bool
    quiet: bool

    def log(self, text: str) -> None:
        """Append to the run's `log.txt`."""
        if is_first_process():
            log_line(self.out, text)


@dataclass(frozen=True, eq=False)
class StreamResult:
    """A trained stream.

    Attributes:
        scores: of val and test.
        summary: its line in summary.json, but for figures: best_epoch, epochs, seconds, parameters, ...
    """

    scores: dict[SplitName, ClipScores]
    summary: dict[str, Any]


@dataclass(frozen=True, eq=False)
class StreamJob:
    """A stream to train, as it is handed to a process."""

    name: str
    recipe: TrainConfig
    plan: RunPlan

    @property
    def out(self) -> Path:
        """Folder of the stream."""
        return self.plan.out / self.name


def stream_source(name: str) -> tuple[str, StreamName]:
    """Divide the name of a stream, `<input>_<stream>`, into its input and what is made of it.

    Raises:
        HeatpoolError: if it is no such name.
    """
    source, _, kind = name.partition("_")
    stream = next((each for each in STREAMS if each == kind), None)
    if source not in _INPUTS or stream is None:
        raise HeatpoolError(f"expected a stream such as pooled_joint, got {name!r}")
    return source, stream


def stream_inputs(names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return arguments of `load_splits` for each input that some streams need."""
    return {source: _INPUTS[source] for source in dict.fromkeys(stream_source(name)[0] for name in names)}


class StreamLog:
    """Records the epochs of a stream: a line in the run's log.txt, TensorBoard events where it is installed.

    Args:
        plan: of the run.
        name: of the stream; events go into the folder `events` below its own.
        epochs: in all.
        progress: to step, if any.
    """

    def __init__(self, plan: RunPlan, name: str, epochs: int, progress: Progress | None = None) -> None:
        self._plan, self._name, self._epochs, self._progress = plan, name, epochs, progress
        self._events = _event_writer(plan.out / name / "events") if is_first_process() else None

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Record an epoch, counted from 0, that was just finished."""
        said = ", ".join(f"{key} {value:.4g}" for key, value in figures.items())
        self._plan.log(f"{self._name} epoch {number} of {self._epochs}: {said}")
        if self._events is not None:
            for key, value in figures.items():
                self._events.add_scalar(key, value, number)
            self._events.flush()
        if self._progress:
            loss, top1 = figures["train/loss"], figures["val/acc/top1"]
            self._progress.step(note=f"{self._name} loss {loss:.3f}, val top-1 {100 * top1:.1f}%")

    def skip(self) -> None:
        """Count an epoch that an earlier run finished."""
        if self._progress:
            self._progress.step()


def _event_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # it is optional
        return None
    return SummaryWriter(str(folder))


def train_streams(jobs: Sequence[StreamJob], *, quiet: bool) -> list[StreamResult]:
    """Train streams: on a CPU side by side, as narrow networks do not fill two cores, else in turn.

    A process reads the features of an input once for all of its streams.

    Args:
        jobs: of one device; of several seeds, too.
        quiet: show no progress.

    Returns:
        One result a job, in their order.

    Raises:
        HeatpoolError: if a training cannot go on.
    """
    plan = jobs[0].plan
    processes = min(len(jobs), plan.threads) if plan.device == "cpu" and process_count() == 1 else 1
    # Neighbours in this order share an input, so that a process seldom reads two.
    order = sorted(range(len(jobs)), key=lambda at: stream_source(jobs[at].name)[0])
    groups = [[jobs[at] for at in part] for part in np.array_split(order, processes)]
    total = sum(job.recipe.epochs for job in jobs)
    with Progress("train", total, "epochs", quiet=quiet) as progress:
        if processes == 1:
            results = _train_in_turn(groups[0], progress=progress)
        else:
            results = side_by_side(
                _train_in_turn,
                groups,
                threads=plan.threads // processes,
                folders=[job.out for job in jobs],
                progress=progress,
            )
    trained = dict(zip(order, results, strict=True))
    return [trained[at] for at in range(len(jobs))]


def side_by_side(
    work: Callable[[Sequence[_Job]], list[_Result]],
    groups: Sequence[Sequence[_Job]],
    *,
    threads: int,
    folders: Sequence[Path],
    progress: Progress,
) -> list[_Result]:
    """Train each group of jobs in a process of its own.

    Args:
        work: trains a group; a function of a module.
        groups: one a process.
        threads: CPU threads of each.
        folders: where trainings write their metrics.csv; epochs are counted there.
        progress: to step.

    Returns:
        The results of all groups, in order.
    """
    with ProcessPoolExecutor(len(groups), mp_context=get_context("spawn")) as pool:
        # Children share no terminal with us: what they did is read from the files they write.
        running = [pool.submit(_work_in_child, work, group, threads) for group in groups]
        waiting: set[Future[list[_Result]]] = set(running)
        seen = 0
        while waiting:
            _, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            epochs = sum(map(_epochs_done, folders))
            progress.step(epochs - seen)
            seen = epochs
        return [result for future in running for result in future.result()]


def _work_in_child(
    work: Callable[[Sequence[_Job]], list[_Result]], jobs: Sequence[_Job], threads: int
) -> list[_Result]:
    set_threads(threads)
    keep_heap()
    return work(jobs)


def _epochs_done(folder: Path) -> int:
    try:
        return max((folder / "metrics.csv").read_text(encoding="utf-8").count("\n") - 1, 0)
    except FileNotFoundError:
        return 0


def _train_in_turn(jobs: Sequence[StreamJob], *, progress: Progress | None = None) -> list[StreamResult]:
    results = []
    held, clips = "", dict[str, ClipSet]()
    for job in jobs:
        source, _ = stream_source(job.name)
        if source != held:
            clips.clear()  # two inputs need not fit into memory at once
            store = FeatureStore.open(job.plan.location)
            held = source
            clips = load_splits(store, job.plan.rows, **_INPUTS[source], cache=job.plan.cache)
        results.append(_train_one(job, clips, progress))
    return results


def _train_one(job: StreamJob, clips: Mapping[str, ClipSet], progress: Progress | None) -> StreamResult:
    log = StreamLog(job.plan, job.name, job.recipe.epochs, progress)

    def count(report: EpochReport) -> None:
        if report.resumed:
            log.skip()
        else:
            log.epoch(report.epoch, report.figures)

    trained = train_stream(
        job.recipe, clips["train"], val=clips["val"], out_dir=job.out, resume=job.plan.resume, progress=count
    )
    best = load_model(trained.best)
    best.model.to(job.recipe.device)
    score = partial(predict_scores, best)
    return StreamResult(
        scores={"val": score(clips["val"]), "test": score(clips["test"])},
        summary={
            "best_epoch": best.epoch,
            "epochs": len(trained.history),
            "seconds": round(trained.seconds, 1),
            "parameters": sum(weight.numel() for weight in best.model.parameters()),
        },
    )


def score_stream(
    folder: Path, store: FeatureStore, rows: np.ndarray, *, device: torch.device, cache: LoaderCache
) -> ClipScores:
    """Score clips with the best weights of a trained stream.

    Args:
        folder: of the stream, named as it is.
        store: like the one of its training.
        rows: (n,) of the clips.
        device: to score on.
        cache: of decoded features.

    Raises:
        HeatpoolError: if there is no checkpoint or it does not fit the store.
    """
    best = load_model(folder / "checkpoints" / "best.safetensors")
    best.model.to(device)
    source, _ = stream_source(folder.name)
    return predict_scores(best, load_clips(store, rows, **_INPUTS[source], cache=cache))
