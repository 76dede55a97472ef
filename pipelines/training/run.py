"""Stage two wired end to end: streams, scores, fusion, figures, report.

Options, paths and the store are looked at before torch is imported: a wrong path must not cost seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from heatpool.classify.data.splits import split_rows
from heatpool.classify.training.ranks import is_first_process, process_count
from heatpool.classify.training.recipe import DEMO, HEADS, ModelName, Recipe, flat_recipe, recipe_with
from heatpool.pipelines.options.keywords import takes_options
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.process.device import available_cores, pick_device, set_threads
from heatpool.pipelines.process.machine import machine
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.runs.columns import Columns, clip_columns
from heatpool.pipelines.runs.config import describe_run
from heatpool.pipelines.runs.labels import write_run_labels
from heatpool.pipelines.runs.run_dir import announce, log_line, prepare_run_dir, refuse_run_dir
from heatpool.pipelines.runs.seeds import write_seeds
from heatpool.pipelines.training.features import (
    extraction_facts,
    lasting_name,
    open_for_training,
    prepare_cache,
    split_problems,
    with_held_streams,
)
from heatpool.pipelines.training.joints import choose_graph, describe_graph, features_skeleton
from heatpool.pipelines.training.recipe_choice import RecipeChoice, choose_recipe, read_begun
from heatpool.pipelines.training.trained_run import Run, load_run
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.versions import check_versions

if TYPE_CHECKING:
    from heatpool.pipelines.training.streams import RunPlan, StreamResult

__all__ = ["train", "train_run"]

HPNET: Final = "hpnet"
_FEW_CLIPS = 5000


@takes_options(TrainOptions)
def train(features: str | Path, out: str | Path | None = None, **options: Any) -> Run:
    """Train a classifier per stream on the features of a store, fuse them, evaluate, and write a report.

    Args:
        features: feature store, archive (.hpz) or address (https://…, s3://…).
        out: run folder; default work_dirs/<store>-<protocol>.
        **options: those of `heatpool train`, named below.

    Raises:
        HeatpoolError: if an option, the store, its splits or labels do not allow it, or the folder exists.
    """
    return train_run(TrainOptions(str(features), None if out is None else Path(out), **options))


def train_run(options: TrainOptions, *, warn: bool = True) -> Run:
    """Train what options ask for; see `train`. Without features they are those of the demo.

    Of several processes that torchrun started each returns the run.

    Args:
        options: of the training.
        warn: of what is wrong with the splits.

    Raises:
        HeatpoolError: if an option, the store, its splits or labels do not allow it, or the folder exists.
    """
    if options.videos is not None and not options.videos.exists():
        raise HeatpoolError(f"expected a folder or manifest of videos, {options.videos} does not exist")
    location = options.features or str(_demo_store(options))
    if options.folds:
        from heatpool.pipelines.training.folds import train_folds

        return train_folds(options, location, train=train_run)
    store, protocol, notes = open_for_training(
        location, options.protocol, options.disjoint_columns, manifest=options.manifest
    )
    if warn and is_first_process():
        check_versions({store.source.name: store.versions}, backbone=store.spec.backbone, mixed=True)
    options, rows = with_held_streams(options, store), split_rows(store, protocol)
    out = options.out or Path("work_dirs") / f"{store_stem(location)}-{protocol}"
    if is_first_process():
        refuse_run_dir(out, resume=options.resume, overwrite=options.overwrite)
    device = str(pick_device(options.device))
    begun = read_begun(out) if options.resume else None
    choice = choose_recipe(options, store.clips.label[rows["train"]], device=device, begun=begun)
    options = choice.apply(options)
    recipe = _recipe(options, store)
    if is_first_process():
        config = _describe(options, recipe, store, protocol)
        prepare_run_dir(out, config, machine(), resume=options.resume, overwrite=options.overwrite)
        if options.manifest is not None or notes:
            for folder in (out, *_seed_folders(options, out)):
                write_run_labels(folder, store.clips.index)
    options = replace(options, out=out, protocol=protocol, quiet=options.quiet or not is_first_process())
    plan = _plan(options, recipe, store, rows, device=device, choice=choice, notes=notes, warn=warn)
    about = {
        "model": options.model,
        "protocol": protocol,
        "class_names": list(store.clips.class_names),
        "clips": {split: len(of_split) for split, of_split in rows.items()},
        "features": lasting_name(store),
        "extraction": extraction_facts(store),
        "machine": machine(),
    }
    _train_seeds(options, recipe, plan, columns=clip_columns(store), about=about)

    from heatpool.classify.training.processes import leave_processes

    leave_processes()
    if is_first_process():
        from heatpool.pipelines.report.run_report import report_run

        report_run(out, store, videos=options.videos)
        log_line(out, str(load_run(out)))
    return load_run(out)


def _plan(
    options: TrainOptions,
    recipe: Any,
    store: FeatureStore,
    rows: Mapping[str, np.ndarray],
    *,
    device: str,
    choice: RecipeChoice,
    notes: Sequence[str],
    warn: bool,
) -> RunPlan:
    """Set the process up for training; tell the user what begins, by what recipe and on what split."""
    from heatpool.pipelines.training.streams import RunPlan, stream_inputs

    keep_heap()
    threads = set_threads(options.threads or _default_threads(options, clips=len(rows["train"])))
    counts = " / ".join(f"{len(of_split)} {split}" for split, of_split in rows.items())
    where = f"{process_count()} processes"
    if process_count() == 1:
        where = f"{threads} thread{'s' * (threads > 1)}"
    out = options.out or Path()
    text = (
        f"training on {store.source.name}, protocol {options.protocol}: {counts} clips, into {out}, "
        f"on {device}, {where}"
    )
    skeleton = features_skeleton(options.skeleton, store)
    if is_first_process():
        used = np.concatenate([*rows.values()])
        problems = split_problems(store, str(options.protocol), used) if warn else ()
        graph = describe_graph(flat_recipe(recipe)["graph"], skeleton) if _has_graph(options) else ""
        announce(out, (text, choice.reason, graph), problems=(*notes, *choice.warnings, *problems))
    inputs = stream_inputs(_stream_names(options))
    cache = prepare_cache(options, store, rows, inputs, quiet=options.quiet)
    return RunPlan(
        store=store, rows=rows, out=out, seed=options.seed, device=device, threads=threads,
        cache=cache, resume=options.resume, skeleton=skeleton, notes=tuple(notes),
    )  # fmt: skip


def _default_threads(options: TrainOptions, *, clips: int) -> int:
    """CPU threads where the user names none: all cores, but one for a head on few clips.

    Its steps take milliseconds: to wake threads for each costs half as much again in processor time, and
    saves a second at most.
    """
    if options.model in HEADS and clips < _FEW_CLIPS:
        return 1
    return max(available_cores() // process_count(), 1)


def _demo_store(options: TrainOptions) -> Path:
    """Return the demo's features; they are made if they are not there."""
    from heatpool.pipelines.extraction.places import DEMO_FOLDER

    path = DEMO_FOLDER / "features.zarr"
    if process_count() > 1:
        raise HeatpoolError("expected --features with torchrun")
    if not path.exists():
        from heatpool.pipelines.extraction.run import extract

        extract(threads=options.threads, device=options.device, quiet=options.quiet)
    return path


def _recipe(options: TrainOptions, store: FeatureStore) -> Any:
    """Return the recipe with the user's changes, and a graph that fits the store's joints."""
    graph = {"graph": choose_graph(options.graph, features_skeleton(options.skeleton, store))}
    if options.model == HPNET:
        from heatpool.pipelines.training.hpnet import make_recipe

        return recipe_with(make_recipe(options, store), graph)
    base = HEADS.get(cast(ModelName, options.model)) or (DEMO if options.recipe == "small" else Recipe())
    return recipe_with(base, {"seed": options.seed, **options.recipe_changes, **graph})


def _describe(options: TrainOptions, recipe: Any, store: FeatureStore, protocol: str) -> dict[str, Any]:
    """Return all that makes a run what it is, as options."""
    large, of_hpnet = options.model in ("ctrgcn", "hpnet"), options.model == HPNET
    return describe_run(
        options,
        recipe,
        features=lasting_name(store),
        protocol=protocol,
        manifest=None if options.manifest is None else str(options.manifest.resolve()),
        model=options.model,
        recipe=options.recipe if large else None,
        streams=None if of_hpnet else list(options.stream_names),
        seed=options.seed,
        seeds=options.seeds,
        disjoint=options.disjoint or None,
        skeleton=None if options.skeleton is None else str(options.skeleton.resolve()),
        rgb=recipe.rgb if of_hpnet else None,
        rgb_weights=(recipe.image or None) if of_hpnet else None,
        text=(recipe.text or "learned") if of_hpnet else None,
    )


def _train_seeds(
    options: TrainOptions, recipe: Any, plan: RunPlan, *, columns: Columns, about: Mapping[str, Any]
) -> None:
    """Train one seed into the run folder, or several into a folder each, and write their figures."""
    plans = [plan]
    if folders := _seed_folders(options, plan.out):
        plans = [replace(plan, seed=options.seed + at, out=folder) for at, folder in enumerate(folders)]
    trained = _train(options, recipe, plans)
    if not is_first_process():
        return
    summaries = []
    for each, streams in zip(plans, trained, strict=True):
        summaries.append({**about, **_finish(each, streams, columns), "seed": each.seed})
        write_json(each.out / "summary.json", summaries[-1], overwrite=True)
    if len(plans) > 1:
        write_seeds(plan.out, summaries)


def _seed_folders(options: TrainOptions, out: Path) -> list[Path]:
    """Folders of several seeds; none for one, which has the run folder."""
    seeds = range(options.seed, options.seed + options.seeds)
    return [out / f"seed_{seed}" for seed in seeds] if options.seeds > 1 else []


def _train(options: TrainOptions, recipe: Any, plans: Sequence[RunPlan]) -> list[dict[str, StreamResult]]:
    """Train all streams of all seeds; return them by name, seed by seed."""
    from heatpool.pipelines.training.expected_time import describe_expected
    from heatpool.pipelines.training.streams import StreamJob, stream_source, train_streams

    def of_stream(name: str, plan: RunPlan) -> StreamJob:
        changes: dict[str, Any] = {"seed": plan.seed, "device": plan.device}
        if options.model != HPNET:
            changes["stream"] = stream_source(name)[1]
        return StreamJob(name, recipe_with(recipe, changes), plan)

    names = _stream_names(options)
    jobs = [of_stream(name, plan) for plan in plans for name in names]
    if process_count() == 1:
        announce(options.out or Path(), [describe_expected(jobs)])
    results = iter(train_streams(jobs, quiet=options.quiet))
    return [{name: next(results) for name in names} for _ in plans]


def _finish(plan: RunPlan, streams: Mapping[str, StreamResult], columns: Columns) -> dict[str, Any]:
    """Write the figures of a seed's streams and of their fusion, its weights fitted on val."""
    from heatpool.classify.scores.fuse import fit_fusion, fuse_scores
    from heatpool.pipelines.training.figures import write_split

    fitted = fit_fusion({name: stream.scores["val"] for name, stream in streams.items()})
    weights, notes = dict(fitted.weights), [*plan.notes, *filter(None, [fitted.note])]
    if fitted.note:
        announce(plan.out, (), problems=[fitted.note])
    fusion = {"weights": weights, "fitted_on": "" if fitted.note else "val"}
    write_json(plan.out / "fusion.json", fusion, overwrite=True)
    fused: dict[str, Any] = {"weights": weights}
    lines: dict[str, dict[str, Any]] = {name: dict(stream.summary) for name, stream in streams.items()}
    for split in ("val", "test"):
        scores = {name: stream.scores[split] for name, stream in streams.items()}
        for name, of_stream in scores.items():
            lines[name][split] = write_split(plan.out / name, split, of_stream, columns=columns)
        fused[split] = write_split(plan.out, split, fuse_scores(scores, weights), columns=columns)
    return {"streams": lines, "fused": fused, "notes": notes}


def _has_graph(options: TrainOptions) -> bool:
    """Whether the joints' graph decides anything: small heads know it by bones only."""
    return options.model in ("ctrgcn", HPNET) or any("bone" in name for name in options.stream_names)


def _stream_names(options: TrainOptions) -> tuple[str, ...]:
    return (HPNET,) if options.model == HPNET else options.stream_names
