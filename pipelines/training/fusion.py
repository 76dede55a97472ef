"""A weighted sum of scores from any source, matched by clip id."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from heatpool.classify.scores.foreign import RawScores
from heatpool.classify.scores.fuse import fit_fusion, fuse_scores
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.classify.scores.shares import correct_share
from heatpool.pipelines.options.fuse import FuseOptions
from heatpool.pipelines.training.figures import TOP_CLASSES, write_split
from heatpool.pipelines.training.score_sources import find_labelling, label_scores, read_source
from heatpool.pool.disk.atomic import refuse_existing, write_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.selection import SplitName

__all__ = ["Fusion", "fuse"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Fusion:
    """Fused scores.

    Attributes:
        weights: by source.
        fitted_on: split that they were fitted on, "" if they were given or equal for want of clips.
        scores: of each source, and as "fused" of all together.
        path: folder with scores and tables, None if none was asked for.
        table: figures of each source as aligned lines, which `print(fusion)` shows.
    """

    weights: Mapping[str, float]
    fitted_on: str
    scores: Mapping[str, ClipScores]
    path: Path | None
    table: str = field(repr=False)

    def __str__(self) -> str:
        return self.table if self.path is None else f"{self.table}\nscores and tables: {self.path}"


def fuse(options: FuseOptions) -> Fusion:
    """Read, match, weigh and add scores; write them where that is asked for.

    Raises:
        HeatpoolError: if a file is damaged, clip ids or classes do not match, or no weights are to be had.
    """
    out = options.out
    if out is not None:
        _make_room(out, overwrite=options.overwrite)
    scores = _read(options, options.sources, split="test")
    weights, fitted_on = _weights(options, scores)
    fused = fuse_scores(scores, weights, add=options.add)
    every = {**scores, "fused": fused}
    if out is not None:
        labelled = bool((fused.labels >= 0).all())
        figures = write_split(out, "test", fused) if labelled else None
        if not labelled:
            save_scores(out / "scores_test.npz", fused)
        about = {
            "sources": options.sources, "weights": weights, "fitted_on": fitted_on, "add": options.add,
            "test": figures,
        }  # fmt: skip
        write_json(out / "fusion.json", about, overwrite=True)
    return Fusion(weights, fitted_on, every, out, _table(every, weights))


def _make_room(out: Path, *, overwrite: bool) -> None:
    """Remove an earlier fusion that may be replaced."""
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    refuse_existing(out, overwrite)
    if not (out / "fusion.json").is_file() or (out / "summary.json").exists():
        raise HeatpoolError(f"--overwrite replaces folders of heatpool fuse only, {out} is none")
    shutil.rmtree(out)


def _read(options: FuseOptions, sources: Mapping[str, str], *, split: SplitName) -> dict[str, ClipScores]:
    """Read sources, and label those that have no labels of their own."""
    read: dict[str, ClipScores | RawScores] = {
        name: read_source(location, split=split) for name, location in sources.items()
    }
    labelling = find_labelling(options.labels, options.classes, sources=list(read.values()))
    return {name: label_scores(each, labelling, name=name) for name, each in read.items()}


def _weights(options: FuseOptions, scores: Mapping[str, ClipScores]) -> tuple[dict[str, float], str]:
    """Weight by source, and what they were fitted on ("" if they were given)."""
    if options.weights:
        return options.given_weights, ""
    sources = options.val_sources
    if not sources:
        no_folder = [name for name, location in options.sources.items() if not Path(location).is_dir()]
        if no_folder:
            raise HeatpoolError(
                f"expected --weights, or --val to fit them on: {', '.join(no_folder)} "
                f"{'is' if len(no_folder) == 1 else 'are'} no run folder, which would bring val scores"
            )
        sources = options.sources
    try:
        val = _read(options, sources, split="val")
    except HeatpoolError as error:
        raise HeatpoolError(f"no scores to fit weights on: {error}; or give them, --weights") from error
    shared = set(next(iter(val.values())).clip_ids) & set(next(iter(scores.values())).clip_ids)
    if shared:
        raise HeatpoolError(
            f"expected val clips apart from those to fuse, {len(shared)} are in both, "
            f"for example {min(shared)!r}: weights fitted on test make its figures worthless"
        )
    fitted = fit_fusion(val)
    if fitted.note:
        _log.warning("%s", fitted.note)
    return dict(fitted.weights), "" if fitted.note else "val"


def _table(scores: Mapping[str, ClipScores], weights: Mapping[str, float]) -> str:
    """Figures of each source as aligned lines, of the clips that have labels."""
    width = max(12, *map(len, scores))
    if (scores["fused"].labels < 0).any():
        lines = ["no figures: clips lack labels (see --labels)"]
        return "\n".join([*lines, *(f"{name:<{width}} weight {each:g}" for name, each in weights.items())])
    head, top5 = f"{len(scores['fused']):,} clips", len(scores["fused"].class_names) > TOP_CLASSES
    titles = ["weight", "correct", "top-1", *(["top-5"] if top5 else []), "mean class"]
    lines = [" ".join([f"{head:<{width}} {'holds':<13}", *(f"{title:>10}" for title in titles)])]
    for name, each in scores.items():
        metrics = evaluate_scores(each)
        shares = (metrics.top1, *([metrics.top5] if top5 else []), metrics.mean_class)
        figures = [
            f"{weights[name]:.4g}" if name in weights else "",
            f"{correct_share(each).correct:,}",
            *(f"{100 * share:.2f}%" for share in shares),
        ]
        kind = each.kind if name in weights else "sum"
        lines.append(" ".join([f"{name:<{width}} {kind:<13}", *(f"{text:>10}" for text in figures)]))
    return "\n".join(lines)
