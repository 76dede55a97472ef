"""`heatpool train`: stage two wired end to end: streams, scores, fusion, figures, report."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from classify.checkpoint import load_model, write_atomic
from classify.config import DEMO, TrainConfig
from classify.data import load_clips, split_rows
from classify.fuse import fit_fusion, fuse_scores
from classify.metrics import evaluate_scores, write_confusion_csv, write_confusion_png
from classify.predict import predict_scores
from classify.scores import ClipScores, save_scores
from classify.train import EpochReport, train_stream
from pipelines.configs import ExtractConfig, TrainCommandConfig
from pipelines.demo_data import DEMO_FOLDER
from pipelines.device import available_cores, pick_device, set_threads
from pipelines.progress import Progress
from pipelines.report.run_report import report_run
from pipelines.run_file import machine
from pool.errors import HeatpoolError
from pool.store import FeatureStore, PartName

__all__ = ["INPUTS", "open_store", "pick_protocol", "run", "write_part"]

INPUTS: dict[str, dict[str, Any]] = {
    "pooled_joint": {"input": "pooled"},
    "keypoints_joint": {"input": "keypoints", "keypoints_frame": "image"},
}
"""What a stream learns from: arguments of `load_clips`."""


@dataclass(frozen=True, eq=False)
class _Job:
    """A stream to train, as it is handed to a process."""

    name: str
    recipe: TrainConfig
    store: Path
    rows: Mapping[str, np.ndarray]
    out: Path
    resume: bool


@dataclass(frozen=True, eq=False)
class _Stream:
    """A trained stream: its scores by part and its line in the summary."""

    scores: dict[PartName, ClipScores]
    summary: dict[str, Any]


def run(config: TrainCommandConfig) -> int:
    """Train the streams of a store, fuse them, and write figures and report into the run folder.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, or the run folder exists.
    """
    path = config.features or _demo_store(config)
    store = open_store(path)
    protocol = pick_protocol(store, config.split)
    out = config.out or Path("work_dirs") / f"{path.stem}-{protocol}"
    recipe = _recipe(config, store)
    rows = split_rows(store, protocol)
    _claim(out, config, recipe, path)
    threads = set_threads(config.threads)
    sizes = " / ".join(f"{len(part_rows)} {part}" for part, part_rows in rows.items())
    where = f"{recipe.device}, {threads} threads"
    _say(config, f"training on {path}, split {protocol}: {sizes} clips, into {out}, on {where}")
    jobs = [_Job(name, recipe, path, rows, out / name, config.resume) for name in config.streams]
    streams = _train_all(jobs, config)
    fused = _fuse(streams, out)
    summary = {
        "protocol": protocol,
        "class_names": list(store.index.class_names),
        "clips": {part: len(part_rows) for part, part_rows in rows.items()},
        "streams": {name: stream.summary for name, stream in streams.items()},
        "fused": fused,
        "features": str(path.resolve()),
        "machine": machine(),
        "seed": config.seed,
    }
    _write_json(out / "summary.json", summary)
    report = report_run(out, store, videos=config.videos)
    _say(config, f"{results_table(summary)}\nreport: {report}")
    return 0


def results_table(summary: Mapping[str, Any], *, part: PartName = "test") -> str:
    """Return the figures of a part as aligned lines, in per cent."""
    results = {name: stream[part] for name, stream in summary["streams"].items()}
    results["fused"] = summary["fused"][part]
    head = f"{part}, {summary['clips'][part]} clips"
    lines = [f"{head:<18} {'top-1':>7} {'top-5':>7} {'mean class':>11}"]
    for name, figures in results.items():
        top1, top5, mean = (100 * figures[key] for key in ("acc/top1", "acc/top5", "acc/mean_class"))
        lines.append(f"{name:<18} {top1:6.1f}% {top5:6.1f}% {mean:10.1f}%")
    return "\n".join(lines)


def open_store(path: Path) -> FeatureStore:
    """Open a store that holds at least one labelled, usable clip.

    Raises:
        HeatpoolError: if there is no such store.
    """
    store = FeatureStore.open(path)
    usable = store.rows()
    if not len(usable):
        raise HeatpoolError(f"{path} holds no extracted clip yet; run heatpool extract … --resume")
    if not (store.label[usable] >= 0).any():
        raise HeatpoolError(
            f"expected labels in {path}, all {len(usable)} clips are unlabelled: extract from a manifest "
            "with a class_name column, or from a folder with one sub-folder a class"
        )
    return store


def pick_protocol(store: FeatureStore, asked: str | None) -> str:
    """Return the split protocol to use: the asked one, the only one, or xsub.

    Raises:
        HeatpoolError: if it does not exist, there is none, or the choice is open.
    """
    names = list(store.index.splits)
    if not names:
        raise HeatpoolError(
            f"expected a split in {store.path}: give the manifest a column (any name) that holds train, val "
            "and test, and extract with it"
        )
    if asked is None and len(names) > 1 and "xsub" not in names:
        raise HeatpoolError(f"expected --split, one of {', '.join(names)}")
    protocol = asked or (names[0] if len(names) == 1 else "xsub")
    if protocol not in names:
        raise HeatpoolError(f"expected --split to be one of {', '.join(names)}, got {protocol!r}")
    return protocol


def _demo_store(config: TrainCommandConfig) -> Path:
    path = DEMO_FOLDER / "features.zarr"
    if not path.exists():
        from pipelines import extract  # the demo's features are made only when they are asked for

        extract.run(ExtractConfig(threads=config.threads, device=config.device, quiet=config.quiet))
    return path


def _recipe(config: TrainCommandConfig, store: FeatureStore) -> TrainConfig:
    """Return the recipe with the user's changes; `auto` is small for stores of the tiny backend."""
    small = config.recipe == "small" or (config.recipe == "auto" and store.spec.backbone == "tiny")
    recipe = replace(
        DEMO if small else TrainConfig(), seed=config.seed, device=str(pick_device(config.device))
    )
    changes: dict[str, Any] = {
        "epochs": config.epochs,
        "batch": config.batch_size,
        "lr": config.learning_rate,
    }
    return replace(recipe, **{name: value for name, value in changes.items() if value})


def _claim(out: Path, config: TrainCommandConfig, recipe: TrainConfig, features: Path) -> None:
    """Make the run folder, or check that the one that is there may be gone on with or replaced."""
    resolved = {
        "features": str(features.resolve()),
        "split": config.split,
        "streams": list(config.streams),
        # A run may go on elsewhere, so the device is not part of what it is.
        "recipe": {name: value for name, value in asdict(recipe).items() if name != "device"},
    }
    resolved = json.loads(json.dumps(resolved))
    written = out / "config.yaml"
    if out.exists() and any(out.iterdir()):
        if not config.resume and not config.overwrite:
            raise HeatpoolError(f"{out} exists; go on with --resume or replace it with --overwrite")
        if not written.is_file():
            raise HeatpoolError(f"{out} is not a run folder of heatpool; choose another --out")
        if config.overwrite:
            shutil.rmtree(out)
        elif yaml.safe_load(written.read_text(encoding="utf-8")) != resolved:
            raise HeatpoolError(f"{out} was begun with other options, see {written}; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        written.write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise HeatpoolError(f"cannot write {out}: {error.strerror}") from error
    _write_json(out / "env.json", machine())


def _train_all(jobs: Sequence[_Job], config: TrainCommandConfig) -> dict[str, _Stream]:
    """Train the streams: on a CPU side by side, as narrow networks do not fill two cores, else in turn."""
    threads = config.threads or available_cores()
    processes = min(len(jobs), threads) if jobs[0].recipe.device == "cpu" else 1
    total = sum(job.recipe.epochs for job in jobs)
    with Progress("train", total, "epochs", quiet=config.quiet) as progress:
        if processes == 1:
            return {job.name: _train_stream(job, progress=progress) for job in jobs}
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            # Children share no terminal with us: what they did is read from the files they write.
            running = {pool.submit(_train_in_child, job, threads // processes): job for job in jobs}
            waiting: set[Future[_Stream]] = set(running)
            seen = 0
            while waiting:
                _, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
                epochs = sum(_epochs_done(job.out) for job in jobs)
                progress.step(epochs - seen)
                seen = epochs
            return {job.name: future.result() for future, job in running.items()}


def _train_in_child(job: _Job, threads: int) -> _Stream:
    set_threads(threads)
    return _train_stream(job)


def _epochs_done(folder: Path) -> int:
    try:
        return max((folder / "metrics.csv").read_text(encoding="utf-8").count("\n") - 1, 0)
    except FileNotFoundError:
        return 0


def _train_stream(job: _Job, *, progress: Progress | None = None) -> _Stream:
    store = FeatureStore.open(job.store)
    clips = {part: load_clips(store, rows, **INPUTS[job.name]) for part, rows in job.rows.items()}

    def count(report: EpochReport) -> None:
        if progress:
            top1 = report.figures["val/acc/top1"]
            note = f"{job.name} loss {report.figures['train/loss']:.3f}, val top-1 {100 * top1:.1f}%"
            progress.step(note=note)

    trained = train_stream(
        job.recipe, clips["train"], val=clips["val"], out_dir=job.out, resume=job.resume, progress=count
    )
    best = load_model(trained.best)
    best.model.to(job.recipe.device)
    scores: dict[PartName, ClipScores] = {
        "val": predict_scores(best, clips["val"]),
        "test": predict_scores(best, clips["test"]),
    }
    return _Stream(
        scores=scores,
        summary={
            "best_epoch": best.epoch,
            "epochs": len(trained.history),
            "seconds": round(trained.seconds, 1),
            "parameters": sum(weight.numel() for weight in best.model.parameters()),
            **{part: write_part(job.out, part, of_part) for part, of_part in scores.items()},
        },
    )


def _fuse(streams: Mapping[str, _Stream], out: Path) -> dict[str, Any]:
    """Fit the weights on val, apply them to test, write both."""
    weights = fit_fusion({name: stream.scores["val"] for name, stream in streams.items()}).weights
    summary: dict[str, Any] = {"weights": dict(weights)}
    for part in ("val", "test"):
        fused = fuse_scores({name: stream.scores[part] for name, stream in streams.items()}, weights)
        summary[part] = write_part(out, part, fused)
    _write_json(out / "fusion.json", {"weights": dict(weights), "fitted_on": "val"})
    return summary


def write_part(folder: Path, part: PartName, scores: ClipScores) -> dict[str, float | int]:
    """Write scores, per-class table and confusion matrix of a part; return its named figures."""
    metrics = evaluate_scores(scores)
    save_scores(folder / f"scores_{part}.npz", scores)
    write_confusion_csv(folder / f"confusion_{part}.csv", metrics)
    write_confusion_png(folder / f"confusion_{part}.png", metrics, title=f"{folder.name}, {part}")
    with (folder / f"per_class_{part}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class_name", "clips", "accuracy"])
        for row in metrics.per_class:
            writer.writerow([row.name, row.clips, "" if row.accuracy is None else f"{row.accuracy:.6f}"])
    return {**metrics.named(), "clips": metrics.clips}


def _write_json(path: Path, content: object) -> None:
    write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())


def _say(config: TrainCommandConfig, text: str) -> None:
    if not config.quiet:
        print(text, file=sys.stderr)
