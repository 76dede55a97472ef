"""`heatpool ablate`: the same head on each kind of features that a store holds, as a table."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.classify.data.batches import load_splits, split_rows
from heatpool.classify.data.cache import LoaderCache, cache_folder
from heatpool.classify.data.clips import ClipSet
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import load_scores, save_scores
from heatpool.classify.training.checkpoint import load_model
from heatpool.classify.training.predict import predict_scores
from heatpool.classify.training.processes import process_count
from heatpool.classify.training.recipe import DEMO, HEADS, TrainConfig
from heatpool.classify.training.stream import train_stream
from heatpool.extract.datasets import forbidden_columns
from heatpool.pipelines.options import AblateOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.training.ablate_table import Row, find_rows, summarise, write_tables
from heatpool.pipelines.training.features import clip_columns, lasting_name, open_store, pick_protocol
from heatpool.pipelines.training.run_dir import claim, log_line, write_json
from heatpool.pipelines.training.streams import stream_inputs
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.splits import refuse_leaks
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_RESULT = "result.json"


def run(config: AblateOptions) -> int:
    """Train every row with every seed, write the tables and print one.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, there is nothing to compare, or the
            folder exists.
    """
    if process_count() > 1:
        raise HeatpoolError("expected one process for an ablation; torchrun is for heatpool train")
    store = open_store(config.features)
    protocol = pick_protocol(store, config.protocol)
    splits = split_rows(store, protocol)
    refuse_leaks(store.clips.index, protocol, disjoint=forbidden_columns())
    rows, groups = find_rows(store), _groups(config, store)
    recipe = _recipe(config, store)
    about = {
        "features": lasting_name(store),
        "split": protocol,
        "model": config.model,
        "seeds": [config.seed + number for number in range(config.seeds)],
        "rows": [row.name for row in rows],
        # A run may go on elsewhere, so the device is not part of what it is.
        "recipe": {name: value for name, value in asdict(recipe).items() if name not in ("device", "seed")},
    }
    out = config.out or Path("work_dirs") / f"{store_stem(config.features)}-{protocol}-ablation"
    claim(out, about, resume=config.resume, overwrite=config.overwrite)
    threads = set_threads(config.threads)
    clips = {split: len(of_split) for split, of_split in splits.items()}
    _say(
        config,
        out,
        f"{config.model} on {len(rows)} kinds of features of {store.source.name}, protocol {protocol}, "
        f"{' / '.join(f'{count} {split}' for split, count in clips.items())} clips, {config.seeds} seeds, "
        f"into {out}, on {recipe.device}, {threads} threads",
    )
    results = _train_rows(config, recipe, store, splits=splits, rows=rows, out=out)
    scores = {row.name: [load_scores(path / "scores_test.npz") for path in results[row.name]] for row in rows}
    lines = summarise(store, rows, _read(results), scores, groups=groups)
    table = write_tables(out, {**about, "clips": clips, "by": config.group_by or "clip"}, lines)
    log_line(out, table)
    print(table)
    return 0


def _groups(config: AblateOptions, store: FeatureStore) -> Mapping[str, str] | None:
    """Group of each clip by its id."""
    if not config.group_by:
        return None
    columns = clip_columns(store)
    if config.group_by not in columns:
        known = ", ".join(columns) or "none"
        raise HeatpoolError(
            f"expected --group-by to be a column with several values ({known}), got {config.group_by!r}"
        )
    return columns[config.group_by]


def _recipe(config: AblateOptions, store: FeatureStore) -> TrainConfig:
    base = HEADS.get(config.model) or (DEMO if store.spec.backbone == "tiny" else TrainConfig())
    return replace(base, device=str(pick_device(config.device)), **config.recipe_changes)


def _train_rows(
    config: AblateOptions,
    recipe: TrainConfig,
    store: FeatureStore,
    *,
    splits: Mapping[str, np.ndarray],
    rows: Sequence[Row],
    out: Path,
) -> dict[str, list[Path]]:
    """Train what is not yet trained; return the folders of each row's seeds."""
    seeds = range(config.seed, config.seed + config.seeds)
    folders = {row.name: [out / row.name / f"seed_{seed}" for seed in seeds] for row in rows}
    total = len(rows) * len(seeds) * recipe.epochs
    held, clips = "", dict[str, ClipSet]()
    with Progress("ablate", total, "epochs", quiet=config.quiet) as progress:
        for row in rows:
            of_row = replace(recipe, **row.recipe_changes)
            for seed, folder in zip(seeds, folders[row.name], strict=True):
                if (folder / _RESULT).is_file():  # there is none but with --resume
                    progress.step(recipe.epochs)
                    continue
                if held != row.input:
                    clips.clear()  # two inputs need not fit into memory at once
                    clips, held = _load(config, store, splits, row), row.input
                figures = _train(
                    replace(of_row, seed=seed),
                    {split: row.take(each) for split, each in clips.items()},
                    folder,
                    progress=progress,
                    name=row.name,
                )
                log_line(out, f"{row.name}, seed {seed}: {json.dumps(figures)}")
    return folders


def _load(
    config: AblateOptions, store: FeatureStore, splits: Mapping[str, np.ndarray], row: Row
) -> dict[str, ClipSet]:
    """Load what a row reads, keypoints as `heatpool train` has them."""
    cache = LoaderCache(
        mode=config.cache,
        folder=config.cache_dir or cache_folder(),
        limit_bytes=round(config.cache_gb * 1e9),
    )
    arguments = stream_inputs(["keypoints_joint"]).get(row.input, {"input": row.input})
    return load_splits(store, splits, **arguments, cache=cache)


def _train(
    recipe: TrainConfig, clips: Mapping[str, ClipSet], folder: Path, *, progress: Progress, name: str
) -> dict[str, Any]:
    """Train one seed of a row; its scores and figures stay, its weights go."""
    trained = train_stream(
        recipe,
        clips["train"],
        val=clips["val"],
        out_dir=folder,
        resume=True,  # of a folder that `claim` made or allowed
        progress=lambda report: progress.step(note=f"{name}, seed {recipe.seed}"),
    )
    best = load_model(trained.best)
    best.model.to(recipe.device)
    figures: dict[str, Any] = {
        "seed": recipe.seed,
        "best_epoch": best.epoch,
        "parameters": sum(weight.numel() for weight in best.model.parameters()),
    }
    for split in ("val", "test"):
        scores = predict_scores(best, clips[split])
        save_scores(folder / f"scores_{split}.npz", scores)
        figures[split] = evaluate_scores(scores).named()
    write_json(folder / _RESULT, figures)
    shutil.rmtree(folder / "checkpoints")
    return figures


def _read(folders: Mapping[str, Iterable[Path]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [json.loads((each / _RESULT).read_text(encoding="utf-8")) for each in of_row]
        for name, of_row in folders.items()
    }


def _say(config: AblateOptions, out: Path, text: str) -> None:
    log_line(out, text)
    if not config.quiet:
        print(text, file=sys.stderr)
