"""Cross-validation: a usual run for each fold, and what all of them say together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Protocol

from heatpool.classify.scores.scores import join_scores, load_scores
from heatpool.classify.training.ranks import process_count
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.process.device import pick_device
from heatpool.pipelines.process.machine import machine
from heatpool.pipelines.runs.columns import clip_columns
from heatpool.pipelines.runs.folds import write_folds
from heatpool.pipelines.runs.run_dir import announce, log_line, prepare_run_dir, read_summary, refuse_run_dir
from heatpool.pipelines.training.features import lasting_name, open_labelled, pending_note
from heatpool.pipelines.training.figures import write_split
from heatpool.pipelines.training.fold_plan import FoldPlan, plan_folds, write_fold_manifest
from heatpool.pipelines.training.recipe_choice import choose_recipe, read_begun
from heatpool.pipelines.training.trained_run import Run, load_run
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.split_findings import check_split
from heatpool.pool.store.reader import FeatureStore

__all__ = ["fold_problems", "train_folds"]

_MANIFEST = "folds.csv"
_OF_ONE_TEST = ("few_test_clips", "class_not_in_test")  # findings; together folds test every clip
# Of the options of a training, these say where, how fast and how loud, not what.
_NOT_KEPT = (
    "out", "device", "threads", "quiet", "overwrite", "resume", "videos", "cache", "cache_dir", "cache_gb",
)  # fmt: skip


class _Train(Protocol):
    def __call__(self, options: TrainOptions, *, warn: bool) -> Run: ...


def train_folds(options: TrainOptions, location: str, *, train: _Train) -> Run:
    """Train a run for each fold into a folder of its own, and write what all of them say together.

    Args:
        options: with folds.
        location: of the store.
        train: trains a run; without a warning of its splits.

    Returns:
        The cross-validation as a run; its figures are those of all clips, each scored by the one run that it
        was a test clip of.

    Raises:
        HeatpoolError: if the clips cannot be divided so, or the folder exists.
    """
    if process_count() > 1:
        raise HeatpoolError("expected one process with --folds; torchrun trains one run at a time")
    store = open_labelled(location, options.manifest)
    out = options.out or Path("work_dirs") / f"{store_stem(location)}-{options.folds}-folds"
    refuse_run_dir(out, resume=options.resume, overwrite=options.overwrite)
    plan = plan_folds(store, options.folds, by=options.fold_by, seed=options.seed)
    options = _choose_once(options, plan, out)
    config = _describe(options, store, by=plan.by)
    prepare_run_dir(out, config, machine(), resume=options.resume, overwrite=options.overwrite)
    if not (out / _MANIFEST).exists():  # a resumed one keeps its folds, whatever the store holds by now
        write_fold_manifest(plan, store, out / _MANIFEST)
    announce(out, (), problems=(*pending_note(store), *fold_problems(plan.index)))
    folders = [out / name for name in plan.index.splits]
    for folder in folders:
        announce(out, [f"{folder.name} of {len(folders)}, by {plan.by}"])
        # A run like any other: the manifest that the folds are written in brings its splits.
        own: dict[str, Any] = {"manifest": out / _MANIFEST, "protocol": folder.name, "out": folder}
        fold = replace(options, features=location, folds=0, fold_by=None, overwrite=False, **own)
        train(fold, warn=False)
    return _sum_up(out, folders, store, {"by": plan.by, "seed": options.seed, "held": plan.held})


def fold_problems(index: ClipIndex) -> list[str]:
    """What is wrong with splits, once for all folds that have it; that a fold tests few clips is not."""
    folds_of: dict[str, list[str]] = defaultdict(list)
    for name in index.splits:
        for finding in check_split(index, name):
            if finding.check not in _OF_ONE_TEST:
                folds_of[finding.message.removeprefix(name)].append(name)
    return [
        f"{'every fold' if len(names) == len(index.splits) else ', '.join(names)}{what}"
        for what, names in folds_of.items()
    ]


def _choose_once(options: TrainOptions, plan: FoldPlan, out: Path) -> TrainOptions:
    """Choose model and recipe where they are left open: by the first fold, for all."""
    train_labels = plan.index.label[plan.index.splits["fold_1"] == Split.TRAIN]
    begun = read_begun(out) if options.resume else None
    device = str(pick_device(options.device))
    return choose_recipe(options, train_labels, device=device, begun=begun).apply(options)


def _describe(options: TrainOptions, store: FeatureStore, *, by: str) -> dict[str, Any]:
    """Return what is given of the options, as `--config` takes them."""
    given = {
        field.name: str(value.resolve()) if isinstance(value, Path) else value
        for field in fields(options)
        if field.name not in _NOT_KEPT and (value := getattr(options, field.name)) != field.default
    }
    return {**given, "features": lasting_name(store), "fold_by": by}


def _sum_up(out: Path, folders: Sequence[Path], store: FeatureStore, about: dict[str, Any]) -> Run:
    """Write `folds.json`, pooled scores with their tables, and the report."""
    summaries = [read_summary(folder) for folder in folders]
    places = {name: Path(name) for name in summaries[0]["streams"]} | {"fused": Path()}
    pooled = {
        name: join_scores([load_scores(folder / inside / "scores_test.npz") for folder in folders])
        for name, inside in places.items()
    }
    columns = clip_columns(store)
    figures = {
        name: write_split(out / inside, "test", pooled[name], columns=columns)
        for name, inside in places.items()
    }
    content = write_folds(out, summaries, {**about, "pooled": figures})

    from heatpool.pipelines.report.fold_report import write_fold_report

    write_fold_report(out, content, pooled, columns=columns)
    run = load_run(out)
    log_line(out, str(run))
    return run
