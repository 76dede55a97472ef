"""`heatpool evaluate`: a trained run on train, val or test, of its own store or of another one like it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatpool.classify.data.cache import LoaderCache
from heatpool.classify.scores.fuse import fuse_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.pipelines.options import EvaluateOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.training.features import (
    clip_columns,
    lasting_name,
    open_store,
    pick_protocol,
    prepare_cache,
)
from heatpool.pipelines.training.figures import figure_lines, results_table, write_split
from heatpool.pipelines.training.run_dir import read_seed_folders, read_summary, write_json
from heatpool.pipelines.training.streams import score_stream, stream_inputs
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["check_checkpoints", "run", "score_run"]


def run(config: EvaluateOptions) -> int:
    """Score every stream and their fusion with the run's weights; write scores and tables; print figures.

    Of a run with several seeds, each seed is scored, into a folder of its own.

    Raises:
        HeatpoolError: if the run is not finished, or the store does not fit it.
    """
    folders = read_seed_folders(config.run)
    summaries = [read_summary(folder) for folder in folders]
    store = open_store(config.features or summaries[0]["features"])
    _check_classes(store, summaries[0]["class_names"])
    protocol = pick_protocol(store, summaries[0]["protocol"])
    rows = store.clips.rows(protocol=protocol, split=config.split)
    device = pick_device(config.device)
    set_threads(config.threads)
    own = [name for name in summaries[0]["streams"] if not _is_hpnet(name)]
    cache = prepare_cache(config, store, {config.split: rows}, stream_inputs(own))
    for folder, summary in zip(folders, summaries, strict=True):
        scores = score_run(folder, summary, store, rows, device=device, cache=cache)
        out = config.out or config.run / f"evaluate-{config.split}"
        if len(folders) > 1:
            out = out / folder.name
            print(f"{folder.name}:")
        print(_write(out, config, scores, store, protocol=protocol))
    return 0


def _check_classes(store: FeatureStore, known: Sequence[str]) -> None:
    """Refuse a store whose labels mean something else than the run's."""
    if list(store.clips.class_names) == list(known):
        return
    strange = [name for name in store.clips.class_names if name not in known]
    said = "some are missing, or they are numbered otherwise"
    if strange:
        said = f"the run does not know {', '.join(strange[:5])}{', …' if len(strange) > 5 else ''}"
    raise HeatpoolError(
        f"expected the {len(known)} classes of the run in {store.source.name}: {said}; predict "
        "needs no labels"
    )


def check_checkpoints(folder: Path, summary: Mapping[str, Any]) -> None:
    """Say what is missing of a run's weights before anything long begins.

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
    scores = {}
    for name in summary["streams"]:
        score = score_stream
        if _is_hpnet(name):
            from heatpool.pipelines.training import hpnet as train_hpnet

            score = train_hpnet.score
        scores[name] = score(folder / name, store, rows, device=device, cache=cache)
    return {**scores, "fused": fuse_scores(scores, summary["fused"]["weights"])}


def _write(
    out: Path,
    config: EvaluateOptions,
    scores: Mapping[str, ClipScores],
    store: FeatureStore,
    *,
    protocol: str,
) -> str:
    """Write the tables of all scores and `evaluation.json`; return the figures in words."""
    columns = clip_columns(store)
    figures = {
        name: {
            config.split: write_split(
                out if name == "fused" else out / name, config.split, each, columns=columns
            )
        }
        for name, each in scores.items()
    }
    fused = figures.pop("fused")
    results = {
        "protocol": protocol,
        "clips": {config.split: fused[config.split]["clips"]},
        "streams": figures,
        "fused": fused,
        "features": lasting_name(store),
    }
    write_json(out / "evaluation.json", results)
    lines = figure_lines(scores["fused"], name="fused", columns=columns)
    return "\n".join([results_table(results, split=config.split), *lines, f"tables and scores: {out}"])


def _is_hpnet(name: str) -> bool:
    return name.startswith("hpnet")
