"""The report of a cross-validation: one page over its folds, with a link to the page of each."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.scores.shares import confused_pairs, correct_share
from heatpool.pipelines.report.page import link_between, render_page
from heatpool.pipelines.report.run_files import FUSED
from heatpool.pipelines.report.trust import make_trust
from heatpool.pool.disk.atomic import write_text

__all__ = ["write_fold_report"]


def write_fold_report(
    out: Path,
    folds: Mapping[str, Any],
    pooled: Mapping[str, ClipScores],
    *,
    columns: Mapping[str, Mapping[str, str]],
) -> Path:
    """Write `report.html` of a cross-validation.

    Args:
        out: its folder, with those of its runs in it.
        folds: content of `folds.json`.
        pooled: scores of all clips by result, each by the run that it was a test clip of.
        columns: value by clip id, by manifest column.

    Returns:
        The written file.
    """
    names = [name for name in pooled if name != FUSED or len(pooled) > 2]  # of one stream it is the stream
    main = names[-1]
    path, scores = out / "report.html", pooled[main]
    metrics = evaluate_scores(scores)
    page = render_page(
        "folds.html",
        title=" · ".join((PurePath(folds["features"]).stem, f"{len(folds['runs'])} folds", folds["model"])),
        folder=out.name,
        folds=folds,
        names=names,
        main=main,
        top1={name: correct_share(pooled[name]) for name in names},
        majority=float(np.bincount(scores.labels).max() / len(scores)),
        metrics=metrics,
        classes=sorted(metrics.per_class, key=lambda row: (row.accuracy is None, row.accuracy, row.name)),
        pairs=confused_pairs(metrics.confusion),
        trust=make_trust({name: pooled[name] for name in names}, main=main, columns=columns, seeds={}),
        reports={run["name"]: link_between(path, out / run["name"] / "report.html") for run in folds["runs"]},
        tables={file.name: link_between(path, file) for file in sorted(out.glob("*.csv"))},
        written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
    )
    write_text(path, page, overwrite=True)
    return path
