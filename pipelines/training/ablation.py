"""The same head on each kind of features that a store holds, with the same recipe and seeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.classify.data.splits import split_rows
from heatpool.classify.training.ranks import process_count
from heatpool.classify.training.recipe import DEMO, HEADS, Recipe, flat_recipe, recipe_with
from heatpool.pipelines.options.ablate import AblateOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.machine import machine
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.runs.columns import clip_columns
from heatpool.pipelines.runs.config import describe_run
from heatpool.pipelines.runs.run_dir import announce, log_line, prepare_run_dir, refuse_run_dir
from heatpool.pipelines.training.features import lasting_name, loader_cache, open_for_training
from heatpool.pipelines.training.joints import choose_graph, describe_graph, features_skeleton
from heatpool.pipelines.training.recipe_choice import choose_preset
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.split_findings import find_split_problems
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.classify.data.clips import ClipSet
    from heatpool.pipelines.training.ablate_table import Row
    from heatpool.pool.skeleton import Skeleton

__all__ = ["Ablation", "ablate"]

_RESULT = "result.json"


@dataclass(frozen=True)
class Ablation:
    """What each kind of features is worth.

    Attributes:
        path: folder with the table as JSON, CSV and Markdown, and with every training.
        lines: of the table, as in `ablation.json`.
        table: as Markdown, which `print(ablation)` shows.
    """

    path: Path
    lines: tuple[Mapping[str, Any], ...]
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table


def ablate(options: AblateOptions) -> Ablation:
    """Train every kind of features with every seed, and write the tables.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, there is nothing to compare, or the
            folder exists.
    """
    if process_count() > 1:
        raise HeatpoolError("expected one process for an ablation; torchrun is for heatpool train")
    store, protocol, notes = open_for_training(options.features, options.protocol, {})
    splits = split_rows(store, protocol)
    groups = _groups(options, store)
    out = options.out or Path("work_dirs") / f"{store_stem(options.features)}-{protocol}-ablation"
    refuse_run_dir(out, resume=options.resume, overwrite=options.overwrite)

    from heatpool.pipelines.training.ablate_table import find_rows, summarise, write_tables

    rows, recipe = find_rows(store), _recipe(options, store, clips=len(splits["train"]))
    config = describe_run(
        options, recipe, features=lasting_name(store), protocol=protocol, model=options.model,
        seed=options.seed, seeds=options.seeds, skeleton=options.skeleton and str(options.skeleton),
    )  # fmt: skip
    prepare_run_dir(out, config, machine(), resume=options.resume, overwrite=options.overwrite)
    threads = set_threads(options.threads)
    clips = {split: len(of_split) for split, of_split in splits.items()}
    text = (
        f"{options.model} on {len(rows)} kinds of features of {store.source.name}, protocol {protocol}, "
        f"{' / '.join(f'{count} {split}' for split, count in clips.items())} clips, {options.seeds} seeds, "
        f"into {out}, on {recipe.device}, {threads} thread{'s' * (threads > 1)}"
    )
    skeleton = features_skeleton(options.skeleton, store)
    problems = find_split_problems(store.clips.index, protocol, np.concatenate([*splits.values()]))
    graph = describe_graph(recipe.graph, skeleton) if options.model == "ctrgcn" else ""
    announce(out, (text, graph), problems=(*notes, *problems))
    folders = _train_rows(options, recipe, store, splits=splits, rows=rows, out=out)
    of_recipe = flat_recipe(recipe)
    about = {
        "features": lasting_name(store),
        "protocol": protocol,
        "model": options.model,
        "seeds": _seeds(options),
        "rows": [row.name for row in rows],
        "recipe": {name: of_recipe[name] for name in of_recipe if name not in ("device", "seed")},
        "clips": clips,
        "by": options.group_by or "clip",
    }
    lines = summarise(store, rows, _read(folders), folders, groups=groups)
    table = write_tables(out, about, lines)
    log_line(out, table)
    return Ablation(out, tuple(lines), table)


def _seeds(options: AblateOptions) -> list[int]:
    return [options.seed + number for number in range(options.seeds)]


def _groups(options: AblateOptions, store: FeatureStore) -> Mapping[str, str] | None:
    """Group of each clip by its id."""
    if not options.group_by:
        return None
    columns = clip_columns(store)
    if options.group_by not in columns:
        known = ", ".join(columns) or "none"
        raise HeatpoolError(
            f"expected --group-by to be a column with several values ({known}), got {options.group_by!r}"
        )
    return columns[options.group_by]


def _recipe(options: AblateOptions, store: FeatureStore, *, clips: int) -> Recipe:
    device = str(pick_device(options.device))
    preset = choose_preset("auto", clips=clips, device=device)
    base = HEADS.get(options.model) or (DEMO if preset == "small" else Recipe())
    graph = choose_graph(options.graph, features_skeleton(options.skeleton, store))
    changes = {**options.recipe_changes, "graph": graph}
    return recipe_with(base, {"seed": options.seed, "device": device, **changes})


def _train_rows(
    options: AblateOptions,
    recipe: Recipe,
    store: FeatureStore,
    *,
    splits: Mapping[str, np.ndarray],
    rows: Sequence[Row],
    out: Path,
) -> dict[str, list[Path]]:
    """Train what is not yet trained; return the folders of each row's seeds."""
    from heatpool.classify.data.batches import load_splits

    seeds = _seeds(options)
    folders = {row.name: [out / row.name / f"seed_{seed}" for seed in seeds] for row in rows}
    total = len(rows) * len(seeds) * recipe.epochs
    held, clips = "", dict[str, "ClipSet"]()
    with Progress("ablate", total, "epochs", quiet=options.quiet) as progress:
        for row in rows:
            of_row = replace(recipe, **row.recipe_changes)
            for seed, folder in zip(seeds, folders[row.name], strict=True):
                if (folder / _RESULT).is_file():  # there is none but with --resume
                    progress.step(recipe.epochs)
                    continue
                if held != row.input:
                    clips.clear()  # two inputs need not fit into memory at once
                    clips = load_splits(store, splits, input=row.input, cache=loader_cache(options))
                    held = row.input
                figures = _train(
                    replace(of_row, seed=seed),
                    {split: row.take(each) for split, each in clips.items()},
                    folder,
                    progress=progress,
                    name=row.name,
                    skeleton=features_skeleton(options.skeleton, store),
                )
                log_line(out, f"{row.name}, seed {seed}: {json.dumps(figures)}")
    return folders


def _train(
    recipe: Recipe,
    clips: Mapping[str, ClipSet],
    folder: Path,
    *,
    progress: Progress,
    name: str,
    skeleton: Skeleton,
) -> dict[str, Any]:
    """Train one seed of a row; its scores and figures stay, its weights go."""
    from heatpool.classify.scores.metrics import evaluate_scores
    from heatpool.classify.scores.scores import save_scores
    from heatpool.classify.training.loop import train_network
    from heatpool.classify.training.predict import predict_scores
    from heatpool.classify.training.stream import StreamArchitecture, load_model

    trained = train_network(
        StreamArchitecture(recipe, skeleton),
        clips["train"],
        val=clips["val"],
        out_dir=folder,
        resume=True,  # of a folder that `prepare_run_dir` made or allowed
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
    write_json(folder / _RESULT, figures, overwrite=True)
    shutil.rmtree(folder / "checkpoints")
    return figures


def _read(folders: Mapping[str, Iterable[Path]]) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [json.loads((each / _RESULT).read_text(encoding="utf-8")) for each in of_row]
        for name, of_row in folders.items()
    }
