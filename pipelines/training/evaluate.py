"""Scoring a trained run on train, val or test, of its own store or of another one like it."""

from __future__ import annotations

import logging
from collections import Counter
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
from heatpool.pipelines.training.features import (
    compare_versions,
    lasting_name,
    pending_note,
    pick_protocol,
    prepare_cache,
    require_labelled,
)
from heatpool.pipelines.training.figures import (
    Figures,
    figure_lines,
    figures_of,
    results_table,
    write_split,
)
from heatpool.pipelines.training.relabel import join_manifest, open_run_store
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.selection import SplitName

if TYPE_CHECKING:
    import torch

    from heatpool.classify.data.cache import LoaderCache

__all__ = ["Evaluation", "check_checkpoints", "evaluate_run", "score_run"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """How good a run is on a split.

    Attributes:
        path: folder with scores, tables and `evaluation.json`; of several seeds, a folder each in it.
        split: train, val or test.
        protocol: of the split; None where the store has no splits, and all clips are scored.
        figures: by stream and as "fused"; means over the run's seeds.
        table: figures, calibration, confusions and groups as lines, which `print(evaluation)` shows.
    """

    path: Path
    split: str
    protocol: str | None
    figures: Mapping[str, Figures]
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table


def evaluate_run(options: EvaluateOptions) -> Evaluation:
    """Score every stream and their fusion with the run's weights; write scores and tables.

    Classes are matched by name: a store may have some of the run's, others besides, in another order. Of a
    run with several seeds, each seed is scored, into a folder of its own.

    Raises:
        HeatpoolError: if the run is not finished, or the store has none of its classes or other features.
    """
    folders = read_seed_folders(options.run)
    summaries = [read_summary(folder) for folder in folders]
    for folder, summary in zip(folders, summaries, strict=True):
        check_checkpoints(folder, summary)
    store = open_run_store(options.run, options.features)
    if options.manifest is not None:
        store = store.with_index(join_manifest(store, options.manifest).index)
    require_labelled(store)
    for line in pending_note(store):
        _log.warning("%s", line)
    trained = summaries[0]["protocol"]
    asked = options.protocol or (trained if trained in store.clips.protocols else None)
    protocol = pick_protocol(store, asked) if asked or store.clips.protocols else None
    chosen = _known_clips(store, protocol, options.split, known=summaries[0]["class_names"])
    rows = chosen.rows
    device = pick_device(options.device)
    set_threads(options.threads)

    from heatpool.pipelines.training.streams import stream_inputs  # torch: after all that can be refused

    inputs = stream_inputs(list(summaries[0]["streams"]))
    cache = prepare_cache(options, store, {options.split: rows}, inputs, quiet=options.quiet)
    into_run = _lacks_scores(options, summaries[0])
    out = options.out or (options.run if into_run else options.run / f"evaluate-{options.split}")
    results, tables = [], []
    for folder, summary in zip(folders, summaries, strict=True):
        scores = score_run(folder, summary, store, rows, device=device, cache=cache)
        inside = out if len(folders) == 1 else out / folder.name
        result, table = _write(inside, options, scores, store, chosen, protocol=protocol)
        results.append(result)
        tables.append(table if len(folders) == 1 else f"{folder.name}:\n{table}")
    if options.features is not None:  # only now is it known that they fit the run
        compare_versions(summaries[0], store.versions, name=store.source.name)
    if into_run:
        _write_summary(out, summaries[0], results[0], split=options.split)
    return Evaluation(
        path=out,
        split=options.split,
        protocol=protocol,
        figures=figures_of(results, options.split),
        table="\n".join([*chosen.notes, *tables]),
    )


def _lacks_scores(options: EvaluateOptions, summary: Mapping[str, Any]) -> bool:
    """Whether these are the scores that training leaves in a run, and weights from elsewhere lack."""
    elsewhere = (options.out, options.features, options.manifest, options.protocol)
    return "imported" in summary and not any(elsewhere)


def _write_summary(
    run: Path, summary: Mapping[str, Any], results: Mapping[str, Any], *, split: SplitName
) -> None:
    """Add the figures of a split to those that a run has."""
    streams = {name: {**each, **results["streams"][name]} for name, each in summary["streams"].items()}
    figures = {
        "clips": {**summary["clips"], **results["clips"]},
        "streams": streams,
        "fused": {**summary["fused"], split: results["fused"][split]},
    }
    write_json(run / "summary.json", {**summary, **figures}, overwrite=True)


@dataclass(frozen=True, eq=False)
class _KnownClips:
    """The clips of a split whose class the run knows.

    Attributes:
        rows: (n,) int64, in the store; at least one.
        classes: of these clips, in the run's order.
        known: how many classes the run has.
        left_out: clips by class that the run does not know.
        unlabelled: clips without a class, which are left out, too.
        whole: the store has no splits, so all of it is scored.
    """

    rows: np.ndarray
    classes: tuple[str, ...]
    known: int
    left_out: Mapping[str, int]
    unlabelled: int
    whole: bool

    @property
    def notes(self) -> list[str]:
        """What a reader of the figures must know, a line each."""
        lines = []
        if self.whole:
            lines.append(f"the store has no splits: all {len(self.rows):,} clips of known classes are scored")
        if self.unlabelled:
            lines.append(f"left out {self.unlabelled:,} clip{'s' * (self.unlabelled > 1)} without a label")
        if self.left_out:
            each = ", ".join(f"{name} ({clips})" for name, clips in self.left_out.items())
            clips = f"{sum(self.left_out.values()):,} clips"
            lines.append(f"left out {clips} of classes that the run does not know: {each}")
        if len(self.classes) < self.known:
            lines.append(
                f"figures are over the classes that occur, {len(self.classes)} of the run's {self.known}: "
                f"{', '.join(self.classes)}; a clip may be taken for any of the {self.known}"
            )
        return lines


def _known_clips(
    store: FeatureStore, protocol: str | None, split: SplitName, *, known: Sequence[str]
) -> _KnownClips:
    """Choose the clips of a split that the run can be right about; classes are matched by name.

    Args:
        store: with labels.
        protocol: of the split; None takes all clips.
        split: train, val or test.
        known: class names of the run.

    Raises:
        HeatpoolError: if there is none.
    """
    of_split = store.clips.rows(protocol=protocol, split=split if protocol else None)
    labelled = of_split[store.clips.label[of_split] >= 0]
    if not len(labelled):
        raise HeatpoolError(
            f"{protocol} of {store.source.name} has no labelled {split} clip; --split and --protocol "
            f"({', '.join(store.clips.protocols)}) name others"
        )
    own, learned = [store.clips.class_names[label] for label in store.clips.label[labelled]], set(known)
    strange = Counter(name for name in own if name not in learned)
    rows = labelled[[name in learned for name in own]]
    if not len(rows):
        raise HeatpoolError(
            f"expected {split} clips of the run's classes ({_some(known)}) in {store.source.name}, got "
            f"{_some(list(strange))}; predict needs no labels"
        )
    classes = tuple(name for name in known if name in set(own))
    unlabelled = len(of_split) - len(labelled)
    return _KnownClips(rows, classes, len(known), strange, unlabelled, whole=protocol is None)


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:5])}{', …' if len(names) > 5 else ''}"


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
    chosen: _KnownClips,
    *,
    protocol: str | None,
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
        "classes": chosen.classes,
        "left_out": chosen.left_out,
    }
    write_json(out / "evaluation.json", results, overwrite=True)
    name = "fused" if len(figures) > 1 else next(iter(figures))
    lines = figure_lines(scores["fused"], name=name, columns=columns)
    return results, "\n".join(
        [results_table(results, classes=chosen.known, split=split), *lines, f"tables and scores: {out}"]
    )
