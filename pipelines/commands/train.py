"""`heatpool train`: stage two wired end to end: streams, scores, fusion, figures, report."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from heatpool.classify.data.batches import split_rows
from heatpool.classify.scores.fuse import fit_fusion, fuse_scores
from heatpool.classify.training.processes import is_first_process, leave_processes, process_count
from heatpool.classify.training.recipe import DEMO, HEADS, TrainConfig
from heatpool.extract.datasets import forbidden_columns
from heatpool.pipelines.extraction.demo_data import DEMO_FOLDER
from heatpool.pipelines.extraction.run_file import machine, read_run_file
from heatpool.pipelines.options import ExtractOptions, TrainOptions
from heatpool.pipelines.process.device import available_cores, pick_device, set_threads
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.report.run_report import report_run
from heatpool.pipelines.training.features import (
    Columns,
    clip_columns,
    lasting_name,
    open_store,
    pick_protocol,
    prepare_cache,
)
from heatpool.pipelines.training.figures import results_table, write_split
from heatpool.pipelines.training.run_dir import claim, log_line, write_json
from heatpool.pipelines.training.seeds import seeds_table, write_seeds
from heatpool.pipelines.training.streams import (
    RunPlan,
    StreamJob,
    StreamResult,
    stream_inputs,
    stream_source,
    train_streams,
)
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.splits import refuse_leaks
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]


def run(config: TrainOptions) -> int:
    """Train the streams of a store, fuse them, and write figures and report into the run folder.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, or the run folder exists.
    """
    if not is_first_process():  # of several that torchrun started
        config = replace(config, quiet=True)
    location = config.features or str(_demo_store(config))
    store = open_store(location)
    protocol = pick_protocol(store, config.protocol)
    out = config.out or Path("work_dirs") / f"{store_stem(location)}-{protocol}"
    recipe = _recipe(config, store)
    device = str(pick_device(config.device))
    rows = split_rows(store, protocol)
    refuse_leaks(store.clips.index, protocol, disjoint=forbidden_columns())
    if is_first_process():
        claim(out, _resolved(config, recipe, store), resume=config.resume, overwrite=config.overwrite)
    keep_heap()
    threads = set_threads(config.threads or max(available_cores() // process_count(), 1))
    sizes = {split: len(of_split) for split, of_split in rows.items()}
    clips = " / ".join(f"{size} {split}" for split, size in sizes.items())
    where = (
        f"{device}, {process_count()} processes" if process_count() > 1 else f"{device}, {threads} threads"
    )
    _say(
        config,
        out,
        f"training on {store.source.name}, split {protocol}: {clips} clips, into {out}, on {where}",
    )
    cache = prepare_cache(config, store, rows, stream_inputs(_stream_names(config)))
    plan = RunPlan(
        location=location, rows=rows, out=out, seed=config.seed, device=device, threads=threads, cache=cache,
        resume=config.resume, quiet=config.quiet,
    )  # fmt: skip
    about = {
        "model": config.model,
        "protocol": protocol,
        "class_names": list(store.clips.class_names),
        "clips": sizes,
        "features": lasting_name(store),
        "extraction": {"spec": asdict(store.spec), "options": read_run_file(store).get("options", {})},
        "machine": machine(),
    }
    table = _train_seeds(config, recipe, plan, columns=clip_columns(store), about=about)
    leave_processes()
    if not is_first_process():
        return 0
    report = report_run(out, store, videos=config.videos)
    _say(config, out, f"{table}\nreport: {report}")
    return 0


def _train_seeds(
    config: TrainOptions,
    recipe: Any,
    plan: RunPlan,
    *,
    columns: Columns,
    about: Mapping[str, Any],
) -> str:
    """Train one seed into the run folder, or several into a folder each; return a table of figures."""
    plans = [plan]
    if config.seeds > 1:
        seeds = range(config.seed, config.seed + config.seeds)
        plans = [replace(plan, seed=seed, out=plan.out / f"seed_{seed}") for seed in seeds]
    trained = _train(config, recipe, plans)
    if not is_first_process():
        return ""
    summaries = []
    for each, streams in zip(plans, trained, strict=True):
        summaries.append({**about, **_finish(each, streams, columns), "seed": each.seed})
        write_json(each.out / "summary.json", summaries[-1])
    if len(plans) == 1:
        return results_table(summaries[0])
    return seeds_table(write_seeds(plan.out, summaries))


def _demo_store(config: TrainOptions) -> Path:
    if process_count() > 1:
        raise HeatpoolError("expected --features with torchrun")
    path = DEMO_FOLDER / "features.zarr"
    if not path.exists():
        from heatpool.pipelines.commands import (
            extract,  # the demo's features are made only when they are asked for
        )

        extract.run(ExtractOptions(threads=config.threads, device=config.device, quiet=config.quiet))
    return path


def _recipe(config: TrainOptions, store: FeatureStore) -> Any:
    """Return the recipe with the user's changes; `auto` is small for stores of the tiny backend."""
    if config.model == "hpnet":
        from heatpool.pipelines.training import hpnet as train_hpnet

        return train_hpnet.recipe(config, store)
    small = config.recipe == "small" or (config.recipe == "auto" and store.spec.backbone == "tiny")
    base = HEADS.get(config.model) or (DEMO if small else TrainConfig())
    return replace(base, seed=config.seed, **config.recipe_changes)


def _resolved(config: TrainOptions, recipe: Any, store: FeatureStore) -> dict[str, Any]:
    """Return all that makes a run what it is."""
    return {
        "features": lasting_name(store),
        "split": config.protocol,
        "model": config.model,
        "streams": list(_stream_names(config)),
        "seeds": config.seeds,
        # A run may go on elsewhere, so the device is not part of what it is.
        "recipe": {name: value for name, value in asdict(recipe).items() if name != "device"},
    }


def _train(config: TrainOptions, recipe: Any, plans: Sequence[RunPlan]) -> list[dict[str, StreamResult]]:
    """Train all streams of all seeds; return them by name, seed by seed."""
    if config.model == "hpnet":
        from heatpool.pipelines.training import hpnet as train_hpnet

        return train_hpnet.train_seeds(config, recipe, plans)
    names = _stream_names(config)
    jobs = [
        StreamJob(
            name=name,
            recipe=replace(recipe, stream=stream_source(name)[1], seed=plan.seed, device=plan.device),
            plan=plan,
        )
        for plan in plans
        for name in names
    ]
    results = iter(train_streams(jobs, quiet=config.quiet))
    return [{name: next(results) for name in names} for _ in plans]


def _finish(plan: RunPlan, streams: Mapping[str, StreamResult], columns: Columns) -> dict[str, Any]:
    """Write the figures of a seed's streams and of their fusion, its weights fitted on val."""
    weights = dict(fit_fusion({name: stream.scores["val"] for name, stream in streams.items()}).weights)
    write_json(plan.out / "fusion.json", {"weights": weights, "fitted_on": "val"})
    fused: dict[str, Any] = {"weights": weights}
    lines: dict[str, dict[str, Any]] = {name: dict(stream.summary) for name, stream in streams.items()}
    for split in ("val", "test"):
        scores = {name: stream.scores[split] for name, stream in streams.items()}
        for name, of_stream in scores.items():
            lines[name][split] = write_split(plan.out / name, split, of_stream, columns=columns)
        fused[split] = write_split(plan.out, split, fuse_scores(scores, weights), columns=columns)
    return {"streams": lines, "fused": fused}


def _stream_names(config: TrainOptions) -> tuple[str, ...]:
    return () if config.model == "hpnet" else config.stream_names


def _say(config: TrainOptions, out: Path, text: str) -> None:
    if is_first_process():
        log_line(out, text)
    if not config.quiet:
        print(text, file=sys.stderr)
