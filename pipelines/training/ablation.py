"""The same head on each kind of features that a store holds, with the same recipe and seeds."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatpool.classify.training.ranks import process_count
from heatpool.classify.training.recipe import DEMO, HEADS, Recipe, flat_recipe, recipe_with
from heatpool.pipelines.options.ablate import AblateOptions
from heatpool.pipelines.process.device import pick_device, set_threads
from heatpool.pipelines.process.machine import machine
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.runs.config import describe_run
from heatpool.pipelines.runs.run_dir import announce, log_line, prepare_run_dir, refuse_run_dir
from heatpool.pipelines.training.ablate_splits import Division, divide_clips
from heatpool.pipelines.training.clip_parts import clip_parts
from heatpool.pipelines.training.features import lasting_name, loader_cache
from heatpool.pipelines.training.joints import choose_graph, describe_graph, features_skeleton, fit_joints
from heatpool.pipelines.training.recipe_choice import choose_preset
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import store_stem
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.classify.data.clips import ArrayName, ClipSet
    from heatpool.classify.data.inputs import StreamInput
    from heatpool.pipelines.training.ablate_rows import Row
    from heatpool.pool.skeleton import Skeleton

__all__ = ["Ablation", "ablate"]

_RESULT = "result.json"

_log = logging.getLogger(__name__)


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
    division = divide_clips(options)
    store, groups = division.store, division.groups
    parts = clip_parts(store, options.divide_by)
    out = options.out or Path("work_dirs") / f"{store_stem(options.features)}-{division.name}-ablation"
    refuse_run_dir(out, resume=options.resume, overwrite=options.overwrite)

    from heatpool.pipelines.training.ablate_rows import choose_rows, find_rows
    from heatpool.pipelines.training.ablate_table import summarise, write_tables

    splits = next(iter(division.parts.values()))
    rows = choose_rows(find_rows(store), options.rows)
    recipe = _recipe(options, store, clips=len(splits["train"]))
    folds = {"folds": options.folds, "fold_by": division.fold_by}
    config = describe_run(
        options, recipe, features=lasting_name(store), model=options.model, seed=options.seed,
        seeds=options.seeds, skeleton=options.skeleton and str(options.skeleton),
        rows=[*options.rows] or None, **(folds if division.fold_by else {"protocol": division.name}),
    )  # fmt: skip
    prepare_run_dir(out, config, machine(), resume=options.resume, overwrite=options.overwrite)
    threads = set_threads(options.threads)
    text = (
        f"{options.model} on {len(rows)} kinds of features of {store.source.name}, {division.words}, "
        f"{options.seeds} seeds, into {out}, on {recipe.device}, {threads} thread{'s' * (threads > 1)}"
    )
    skeleton = features_skeleton(options.skeleton, store)
    graph = describe_graph(recipe.graph, skeleton) if options.model == "ctrgcn" else ""
    announce(out, (text, graph), problems=(*division.notes, *division.problems))
    folders = _train_rows(options, recipe, division, rows=rows, out=out)
    of_recipe = flat_recipe(recipe)
    about = {
        "features": lasting_name(store),
        "protocol": division.name,
        "split": division.words,
        "model": options.model,
        "seeds": _seeds(options),
        "rows": [row.name for row in rows],
        "recipe": {name: of_recipe[name] for name in of_recipe if name not in ("device", "seed")},
        "clips": {split: len(of_split) for split, of_split in splits.items()},
        "by": division.by,
        **({"parts_by": options.divide_by} if parts else {}),
    }
    lines = summarise(store, rows, _read(folders), folders, groups=groups, parts=parts)
    table = write_tables(out, about, lines)
    log_line(out, table)
    return Ablation(out, tuple(lines), table)


def _seeds(options: AblateOptions) -> list[int]:
    return [options.seed + number for number in range(options.seeds)]


def _recipe(options: AblateOptions, store: FeatureStore, *, clips: int) -> Recipe:
    device = str(pick_device(options.device))
    preset = choose_preset("auto", clips=clips, device=device)
    base = HEADS.get(options.model) or (DEMO if preset == "small" else Recipe())
    graph = choose_graph(options.graph, features_skeleton(options.skeleton, store))
    changes = {**options.recipe_changes, "graph": graph}
    return recipe_with(base, {"seed": options.seed, "device": device, **changes})


def _train_rows(
    options: AblateOptions, recipe: Recipe, division: Division, *, rows: Sequence[Row], out: Path
) -> dict[str, list[Path]]:
    """Train what is not yet trained; return the folders of each row's seeds."""
    seeds, names = _seeds(options), list(division.parts)
    folders = {row.name: [out / row.name / f"seed_{seed}" for seed in seeds] for row in rows}
    inputs, joints = _Inputs(options, division), features_skeleton(options.skeleton, division.store)
    total = len(rows) * len(seeds) * len(names) * recipe.epochs
    with Progress("ablate", total, "epochs", quiet=options.quiet) as progress:
        for row in rows:
            of_row, skeleton = fit_joints(recipe, joints, row.inputs)
            for seed, folder in zip(seeds, folders[row.name], strict=True):
                of_seed = replace(of_row, seed=seed)
                places = [folder / name for name in names] if division.fold_by else [folder]
                for name, place in zip(names, places, strict=True):
                    if (place / _RESULT).is_file():  # there is none but with --resume
                        progress.step(recipe.epochs)
                        continue
                    clips, note = inputs.of(row, name), f"{row.name}, seed {seed}"
                    figures = _train(of_seed, clips, place, progress=progress, note=note, skeleton=skeleton)
                    log_line(out, f"{place.relative_to(out)}: {json.dumps(figures)}")
                if division.fold_by:
                    _join_folds(folder, places)
    return folders


class _Inputs:
    """Clips of the splits with the arrays of a row; arrays that the next row has, too, stay in memory."""

    def __init__(self, options: AblateOptions, division: Division) -> None:
        self._store, self._cache = division.store, loader_cache(options)
        self._rows = {
            f"{name}/{split}": rows for name, part in division.parts.items() for split, rows in part.items()
        }
        self._held: dict[ArrayName, dict[str, ClipSet]] = {}

    def of(self, row: Row, name: str) -> dict[str, ClipSet]:
        """Return the splits of a protocol or fold with a row's features."""
        self._held = {each: clips for each, clips in self._held.items() if each in row.inputs}
        for each in row.inputs:
            if each not in self._held:
                self._held[each] = self._load(each)
        return {
            split: row.take({each: held[f"{name}/{split}"] for each, held in self._held.items()})
            for split in ("train", "val", "test")
        }

    def _load(self, name: ArrayName) -> dict[str, ClipSet]:
        from heatpool.classify.data.batches import load_splits

        if name != "rgb":
            return load_splits(self._store, self._rows, input=name, cache=self._cache)
        # Embeddings come with the persons of some array: the smallest that there is.
        listed = self._store.attributes["config"].get("arrays") or self._store.layout.features
        beside: StreamInput = "keypoints" if "keypoints" in listed else "pooled"
        clips = load_splits(self._store, self._rows, input=beside, rgb="embeddings", cache=self._cache)
        tested = [of_split for split, of_split in clips.items() if split.endswith("/test")]
        if missing := sum(each.without_rgb for each in tested):
            total = sum(map(len, tested))
            _log.warning("RGB is missing in %d of %d test clips: zeros stand in", missing, total)
        return {split: of_split.of_rgb() for split, of_split in clips.items()}


def _join_folds(folder: Path, places: Sequence[Path]) -> None:
    """Write what all folds of a seed say together: each clip is scored by the training that it tests."""
    from heatpool.classify.scores.metrics import evaluate_scores
    from heatpool.classify.scores.scores import join_scores, load_scores, save_scores

    results = [json.loads((place / _RESULT).read_text(encoding="utf-8")) for place in places]
    joined = join_scores([load_scores(place / "scores_test.npz") for place in places])
    save_scores(folder / "scores_test.npz", joined)
    figures = {
        "seed": results[0]["seed"],
        "best_epoch": [result["best_epoch"] for result in results],
        "parameters": results[0]["parameters"],
        "seconds": round(sum(result["seconds"] for result in results), 1),
        "test": evaluate_scores(joined).named(),
        "folds": [result["test"] for result in results],
    }
    write_json(folder / _RESULT, figures, overwrite=True)


def _train(
    recipe: Recipe,
    clips: Mapping[str, ClipSet],
    folder: Path,
    *,
    progress: Progress,
    note: str,
    skeleton: Skeleton,
) -> dict[str, Any]:
    """Train one seed of a row, of one fold; its scores and figures stay, its weights go."""
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
        progress=lambda report: progress.step(note=note),
    )
    best = load_model(trained.best)
    best.model.to(recipe.device)
    figures: dict[str, Any] = {
        "seed": recipe.seed,
        "best_epoch": best.epoch,
        "seconds": round(trained.seconds, 1),
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
