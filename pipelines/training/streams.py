"""Training the streams of a run: what each learns from, in which process, and what it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from heatpool.classify.data.batches import load_clips, load_splits
from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.data.clips import ClipSet, InputName
from heatpool.classify.data.inputs import INPUTS, StreamInput, parts_of
from heatpool.classify.data.streams import STREAMS, StreamName
from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.classify.training.architecture import Architecture, Trained
from heatpool.classify.training.kernels import choose_kernels
from heatpool.classify.training.loop import train_network
from heatpool.classify.training.predict import predict_heads, predict_scores
from heatpool.classify.training.ranks import is_first_process, process_count
from heatpool.classify.training.recipe import Recipe
from heatpool.classify.training.stream import StreamArchitecture, load_model
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.runs.run_dir import log_line
from heatpool.pipelines.training.epoch_log import EpochLog, EpochsDone
from heatpool.pipelines.training.joints import fit_joints
from heatpool.pipelines.training.side_by_side import train_side_by_side
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.selection import SplitName

if TYPE_CHECKING:
    from heatpool.classify.hpnet.recipe import HPNetRecipe

__all__ = [
    "HPNET", "RunPlan", "StreamJob", "StreamResult", "count_processes", "load_best", "score_stream",
    "stream_inputs", "stream_reads", "stream_source", "train_streams",
]  # fmt: skip

HPNET = "hpnet"
"""Name of the stream that HP-Net is; it divides the features itself."""


@dataclass(frozen=True, eq=False)
class RunPlan:
    """What training one seed takes besides the recipe.

    Attributes:
        store: of the features.
        rows: (n,) rows of train, val and test.
        out: run folder; each stream writes into a folder of its name below it.
        seed: of weights, order and augmentation.
        device: as torch knows it.
        threads: CPU threads for the whole run.
        cache: of decoded features.
        resume: go on where an earlier run was interrupted.
        skeleton: joints of the features.
        notes: how the split of the run is not that of the store, a line each.
    """

    store: FeatureStore
    rows: Mapping[str, np.ndarray]
    out: Path
    seed: int
    device: str
    threads: int
    cache: LoaderCache
    resume: bool
    skeleton: Skeleton
    notes: tuple[str, ...] = ()

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
    """A stream to train, as it is handed to a process.

    Attributes:
        name: `<input>_<stream>`, or `HPNET`.
        recipe: with seed and device.
        plan: of its run.
    """

    name: str
    recipe: Recipe | HPNetRecipe
    plan: RunPlan

    @property
    def out(self) -> Path:
        """Folder of the stream."""
        return self.plan.out / self.name

    @property
    def shared(self) -> Recipe:
        """What every recipe has."""
        return self.recipe if isinstance(self.recipe, Recipe) else self.recipe.shared

    @property
    def reads(self) -> dict[str, Any]:
        """What it takes of a store, as arguments of `load_splits`."""
        return stream_reads(self.name, self.recipe)

    @property
    def architecture(self) -> StreamArchitecture:
        """Of a stream that is no HP-Net."""
        assert isinstance(self.recipe, Recipe)
        parts = parts_of(self.reads["input"])
        return StreamArchitecture(*fit_joints(self.recipe, self.plan.skeleton, parts))

    @property
    def fills_cores(self) -> bool:
        """Whether it is no gain to train another one beside it on a CPU.

        CTR-GCNs as narrow as ours do not fill two cores, an image network does. Small heads are trained in a
        second, which is less than a further process takes to begin.
        """
        return self.shared.model != "ctrgcn" or self.reads.get("rgb") == "crops"


def stream_reads(name: str, recipe: Any) -> dict[str, Any]:
    """Return what a stream takes of a store, as arguments of `load_splits`."""
    if name == HPNET:
        return {"input": "pooled", "rgb": recipe.rgb}
    return {"input": stream_source(name)[0]}


def stream_source(name: str) -> tuple[StreamInput, StreamName]:
    """Divide the name of a stream, `<input>_<stream>`, into its input and what is made of it.

    Raises:
        HeatpoolError: if it is no such name.
    """
    for input_name, stream in product(INPUTS, STREAMS):
        if name == f"{input_name}_{stream}":
            return input_name, stream
    raise HeatpoolError(f"expected a stream such as pooled_joint, got {name!r}")


def stream_inputs(names: Sequence[str]) -> list[InputName]:
    """Return the arrays of a store that some streams are made of."""
    inputs: list[StreamInput] = ["pooled" if name == HPNET else stream_source(name)[0] for name in names]
    return list(dict.fromkeys(part for each in inputs for part in parts_of(each)))


def train_streams(jobs: Sequence[StreamJob], *, quiet: bool) -> list[StreamResult]:
    """Train streams, on a CPU side by side where that is a gain, else in turn.

    A process reads the features of an input once for all of its streams.

    Args:
        jobs: of one model and device; of several seeds, too.
        quiet: show no progress.

    Returns:
        One result a job, in their order.

    Raises:
        HeatpoolError: if a training cannot go on.
    """
    plan, processes = jobs[0].plan, count_processes(jobs)
    # Neighbours in this order share an input, so that a process seldom reads two.
    order = sorted(range(len(jobs)), key=lambda at: jobs[at].reads["input"])
    groups = [[jobs[at] for at in part] for part in np.array_split(order, processes)]
    epochs = sum(job.shared.epochs for job in jobs)
    with Progress("train", epochs, "epochs", quiet=quiet) as progress:
        if processes == 1:
            results = _train_in_turn(groups[0], progress=progress)
        else:
            threads = plan.threads // processes
            results = train_side_by_side(groups, _train_in_turn, threads=threads, progress=progress)
    trained = dict(zip(order, results, strict=True))
    return [trained[at] for at in range(len(jobs))]


def count_processes(jobs: Sequence[StreamJob]) -> int:
    """Return how many processes, this one among them, train streams at the same time; 1 = in turn."""
    plan = jobs[0].plan
    alone = jobs[0].fills_cores or plan.device != "cpu" or process_count() > 1
    return 1 if alone else min(len(jobs), plan.threads)


def _train_in_turn(
    jobs: Sequence[StreamJob], ended: Callable[[], None] | None = None, *, progress: Progress | None = None
) -> list[StreamResult]:
    """Train jobs one after the other; `ended` is called after each epoch."""
    results = []
    held, clips, latest = dict[str, Any](), dict[str, ClipSet](), dict[str, EpochsDone]()
    for job in jobs:
        plan = job.plan
        if job.reads != held:
            clips.clear()  # two inputs need not fit into memory at once
            clips, held = load_splits(plan.store, plan.rows, **job.reads, cache=plan.cache), job.reads
        shown: dict[str, Any] = {"progress": progress, "latest": latest, "ended": ended}
        log = EpochLog(job.out, epochs=job.shared.epochs, write=plan.log, **shown)
        results.append(_train_one(job, clips, log))
    return results


def _train_one(job: StreamJob, clips: Mapping[str, ClipSet], log: EpochLog) -> StreamResult:
    options: dict[str, Any] = {
        "val": clips["val"], "out_dir": job.out, "resume": job.plan.resume, "progress": log.count
    }  # fmt: skip
    architecture: Architecture
    if isinstance(job.recipe, Recipe):
        architecture = job.architecture
        begun, notes = dict[str, Any](), dict[str, Any]()
    else:
        from heatpool.pipelines.training.hpnet import prepare_hpnet

        architecture, begun, notes = prepare_hpnet(job.recipe, clips, job.plan)
    if job.plan.device.startswith("cuda") and process_count() == 1:
        begun = choose_kernels(architecture, clips["train"], **begun)
    trained = train_network(architecture, clips["train"], **options, **begun)
    best = load_best(job.out, job.plan.device)
    scores: dict[SplitName, ClipScores] = {}
    splits: tuple[SplitName, ...] = ("val", "test")
    for split in splits:
        (_, scores[split]), *auxiliary = predict_heads(best, clips[split]).items()
        for head, of_head in auxiliary:  # of HP-Net; they are no streams of the fusion
            save_scores(job.out / f"scores_{split}_{head}.npz", of_head)
    summary = {
        "best_epoch": best.epoch,
        "epochs": len(trained.history),
        "seconds": round(trained.seconds, 1),
        "parameters": sum(weight.numel() for weight in best.model.parameters()),
    }
    return StreamResult(scores, {**summary, **notes})


def load_best(folder: Path, device: str | torch.device) -> Trained:
    """Load the best weights of the stream that a folder is named by.

    Raises:
        HeatpoolError: if there are none.
    """
    load = load_model
    if folder.name == HPNET:
        from heatpool.classify.hpnet.architecture import load_hpnet as load
    best = load(folder / "checkpoints" / "best.safetensors")
    best.model.to(device)
    return best


def score_stream(
    folder: Path, store: FeatureStore, rows: np.ndarray, *, device: torch.device, cache: LoaderCache
) -> ClipScores:
    """Score clips with the best weights of a trained stream, their labels by the names of its classes.

    Args:
        folder: of the stream, named as it is.
        store: like the one of its training.
        rows: (n,) of the clips.
        device: to score on.
        cache: of decoded features.

    Raises:
        HeatpoolError: if there is no checkpoint or it does not fit the store.
    """
    best = load_best(folder, device)
    reads = stream_reads(folder.name, best.recipe)
    clips = load_clips(store, rows, **reads, cache=cache)
    return predict_scores(best, clips.with_classes(best.class_names))
