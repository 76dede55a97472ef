"""`heatpool fuse`: a weighted sum of scores from any source, matched by clip id."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from heatpool.classify.scores.foreign import RawScores
from heatpool.classify.scores.fuse import fit_fusion, fuse_scores
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.pipelines.options import FuseOptions
from heatpool.pipelines.report.numbers import right_share
from heatpool.pipelines.training.figures import write_split
from heatpool.pipelines.training.run_dir import write_json
from heatpool.pipelines.training.score_sources import find_labelling, label_scores, read_source
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import SplitName

__all__ = ["run"]


def run(config: FuseOptions) -> int:
    """Read, match, weigh and add scores; print the figures of each source and of the fusion.

    Raises:
        HeatpoolError: if a file is damaged, clip ids or classes do not match, or no weights are to be had.
    """
    _check_out(config)
    scores = _read(config, config.sources, split="test")
    weights, fitted_on = _weights(config, scores)
    fused = fuse_scores(scores, weights, add=config.add)
    print(_table({**scores, "fused": fused}, weights))
    if config.out is not None:
        labelled = bool((fused.labels >= 0).all())
        figures = write_split(config.out, "test", fused) if labelled else None
        if not labelled:
            save_scores(config.out / "scores_test.npz", fused)
        about = {
            "sources": config.sources,
            "weights": weights,
            "fitted_on": fitted_on,
            "add": config.add,
            "test": figures,
        }
        write_json(config.out / "fusion.json", about)
        print(f"scores and tables: {config.out}")
    return 0


def _check_out(config: FuseOptions) -> None:
    out = config.out
    if out is None or not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not config.overwrite:
        raise HeatpoolError(f"{out} exists; replace it with --overwrite")
    if not (out / "fusion.json").is_file() or (out / "summary.json").exists():
        raise HeatpoolError(f"--overwrite replaces folders of heatpool fuse only, {out} is none")
    shutil.rmtree(out)


def _read(config: FuseOptions, sources: Mapping[str, str], *, split: SplitName) -> dict[str, ClipScores]:
    """Read sources, and label those that have no labels of their own."""
    read: dict[str, ClipScores | RawScores] = {
        name: read_source(location, split=split) for name, location in sources.items()
    }
    labelling = find_labelling(config.labels, config.classes, sources=list(read.values()))
    return {name: label_scores(each, labelling, name=name) for name, each in read.items()}


def _weights(config: FuseOptions, scores: Mapping[str, ClipScores]) -> tuple[dict[str, float], str]:
    """Weight by source, and what they were fitted on ("" if they were given)."""
    if config.weights:
        return config.given_weights, ""
    sources = config.val_sources
    if not sources:
        no_folder = [name for name, location in config.sources.items() if not Path(location).is_dir()]
        if no_folder:
            raise HeatpoolError(
                f"expected --weights, or --val to fit them on: {', '.join(no_folder)} "
                f"{'is' if len(no_folder) == 1 else 'are'} no run folder, which would bring val scores"
            )
        sources = config.sources
    val = _read(config, sources, split="val")
    shared = set(next(iter(val.values())).clip_ids) & set(next(iter(scores.values())).clip_ids)
    if shared:
        raise HeatpoolError(
            f"expected val clips apart from those to fuse, {len(shared)} are in both, "
            f"for example {min(shared)!r}: weights fitted on test make its figures worthless"
        )
    return dict(fit_fusion(val).weights), "val"


def _table(scores: Mapping[str, ClipScores], weights: Mapping[str, float]) -> str:
    """Figures of each source as aligned lines, of the clips that have labels."""
    width = max(12, *map(len, scores))
    if (scores["fused"].labels < 0).any():
        lines = ["no figures: clips lack labels (see --labels)"]
        return "\n".join([*lines, *(f"{name:<{width}} weight {each:g}" for name, each in weights.items())])
    head = f"{len(scores['fused']):,} clips"
    lines = [
        f"{head:<{width}} {'holds':<13} {'weight':>8} {'right':>7} {'top-1':>8} {'top-5':>8} "
        f"{'mean class':>11}"
    ]
    for name, each in scores.items():
        metrics = evaluate_scores(each)
        weight = f"{weights[name]:.4g}" if name in weights else ""
        shares = (metrics.top1, metrics.top5, metrics.mean_class)
        top1, top5, mean = (f"{100 * share:.2f}%" for share in shares)
        kind = each.kind if name in weights else "sum"
        right = f"{right_share(each).right:,}"
        lines.append(f"{name:<{width}} {kind:<13} {weight:>8} {right:>7} {top1:>8} {top5:>8} {mean:>11}")
    return "\n".join(lines)
