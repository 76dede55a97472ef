"""Scoring a trained run on train, val or test, of its own store or of another one like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.classify.scores.fuse import fuse_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.pipelines.options.evaluate import EvaluateOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.runs.columns import clip_columns
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.training.features import lasting_name, open_labelled, pick_protocol, prepare_cache
from heatpool.pipelines.training.figures import (
    Figures,
    figure_lines,
    figures_of,
    results_table,
    write_split,
)
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    import torch

    from heatpool.classify.data.cache import LoaderCache

__all__ = ["Evaluation", "check_checkpoints", "evaluate_run", "score_run"]


@dataclass(frozen=True)
class Evaluation:
    """How good a run is on a split.

    Attributes:
        path: folder with scores, tables and `evaluation.json`; of several seeds, a folder each in it.
        split: train, val or test.
        protocol: of the split.
        figures: by stream and as "fused"; means over the run's seeds.
        table: figures, calibration, confusions and groups as lines, which `print(evaluation)` shows.
    """

    path: Path
    split: str
    protocol: str
    figures: Mapping[str, Figures]
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table


def evaluate_run(options: EvaluateOptions) -> Evaluation:
    """Score every stream and their fusion with the run's weights; write scores and tables.

    Of a run with several seeds, each seed is scored, into a folder of its own.

    Raises:
        HeatpoolError: if the run is not finished, or the store does not fit it.
    """
    folders = read_seed_folders(options.run)
    summaries = [read_summary(folder) for folder in folders]
    for folder, summary in zip(folders, summaries, strict=True):
        check_checkpoints(folder, summary)
    store = open_labelled(options.features or summaries[0]["features"])
    _check_classes(store, summaries[0]["class_names"])
    protocol = pick_protocol(store, summaries[0]["protocol"])
    rows = store.clips.rows(protocol=protocol, split=options.split)
    device = pick_device(options.device)
    set_threads(options.threads)

    from heatpool.pipelines.training.streams import stream_inputs  # torch: after all that can be refused

    inputs = stream_inputs(list(summaries[0]["streams"]))
    cache = prepare_cache(options, store, {options.split: rows}, inputs, quiet=options.quiet)
    out = options.out or options.run / f"evaluate-{options.split}"
    results, tables = [], []
    for folder, summary in zip(folders, summaries, strict=True):
        scores = score_run(folder, summary, store, rows, device=device, cache=cache)
        inside = out if len(folders) == 1 else out / folder.name
        result, table = _write(inside, options, scores, store, protocol=protocol)
        results.append(result)
        tables.append(table if len(folders) == 1 else f"{folder.name}:\n{table}")
    return Evaluation(
        path=out,
        split=options.split,
        protocol=protocol,
        figures=figures_of(results, options.split),
        table="\n".join(tables),
    )


def _check_classes(store: FeatureStore, known: Sequence[str]) -> None:
    """Refuse a store whose labels mean something else than the run's."""
    if list(store.clips.class_names) == list(known):
        return
    strange = [name for name in store.clips.class_names if name not in known]
    problem = "some are missing, or they are numbered otherwise"
    if strange:
        problem = f"the run does not know {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}"
    raise HeatpoolError(
        f"expected the {len(known)} classes of the run in {store.source.name}: {problem}; predict "
        "needs no labels"
    )


def check_checkpoints(folder: Path, summary: Mapping[str, Any]) -> None:
    """Name what is missing of a run's weights before anything long begins.

    Raises:
        HeatpoolError: naming the first file that is not there.
    """
    for name in summary["streams"]:
        weights = folder / name / "checkpoints" / "best.safetensors"
        for path in (weights, weights.with_suffix(".json")):
            if not path.is_file():
                raise HeatpoolError(f"no checkpoint: {path} is missing; train first or name another run")


def score_run(
    folder: Path,
    summary: Mapping[str, Any],
    store: FeatureStore,
    rows: np.ndarray,
    *,
    device: torch.device,
    cache: LoaderCache,
) -> dict[str, ClipScores]:
    """Score clips with every stream of a run, and with their fusion, by name and as "fused".

    Args:
        folder: of the run, or of one of its seeds.
        summary: what its training wrote.
        store: whose features are like those of the training.
        rows: (n,) of the clips.
        device: to score on.
        cache: of decoded features.

    Raises:
        HeatpoolError: if a checkpoint is missing or does not fit the store.
    """
    from heatpool.pipelines.training.streams import score_stream

    scores = {
        name: score_stream(folder / name, store, rows, device=device, cache=cache)
        for name in summary["streams"]
    }
    return {**scores, "fused": fuse_scores(scores, summary["fused"]["weights"])}


def _write(
    out: Path,
    options: EvaluateOptions,
    scores: Mapping[str, ClipScores],
    store: FeatureStore,
    *,
    protocol: str,
) -> tuple[dict[str, Any], str]:
    """Write the tables of all scores and `evaluation.json`; return its content, and the figures in words."""
    columns, split = clip_columns(store), options.split
    figures = {
        name: {split: write_split(out if name == "fused" else out / name, split, each, columns=columns)}
        for name, each in scores.items()
    }
    fused = figures.pop("fused")
    results = {
        "protocol": protocol,
        "clips": {split: fused[split]["clips"]},
        "streams": figures,
        "fused": fused,
        "features": lasting_name(store),
    }
    write_json(out / "evaluation.json", results, overwrite=True)
    lines = figure_lines(scores["fused"], name="fused", columns=columns)
    return results, "\n".join([results_table(results, split=split), *lines, f"tables and scores: {out}"])
