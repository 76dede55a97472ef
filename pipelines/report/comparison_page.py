"""The page of several runs side by side: figures with intervals, differences from the first, classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from heatpool.classify.scores.calibration import calibrate
from heatpool.classify.scores.compare import Comparison
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.scores.shares import correct_share
from heatpool.pipelines.options.compare import CompareOptions
from heatpool.pipelines.report.page import link_between, render_page
from heatpool.pipelines.runs.run_dir import read_seed_folders, read_summary
from heatpool.pipelines.runs.seeds import over_seeds
from heatpool.pool.disk.atomic import write_text
from heatpool.pool.sources.locate import store_stem

__all__ = ["ClassShares", "RunColumn", "write_comparison_page"]

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8f3f71", "#a89a00")


@dataclass(frozen=True)
class RunColumn:
    """A run among others.

    Attributes:
        name: its path as it was given.
        colour: of its bars.
        about: data, protocol and model, "" of a file of scores.
        link: address of its report, "" without one.
        seeds: how many it has.
        top1: share of correct clips, mean over the seeds.
        interval: 95 %: of one seed Wilson's over clips, of several Student's t over seeds.
        top5: mean over the seeds.
        mean_class: mean over the seeds.
        ece: mean over the seeds.
        difference: from the first, None of the first.
    """

    name: str
    colour: str
    about: str
    link: str
    seeds: int
    top1: float
    interval: tuple[float, float]
    top5: float
    mean_class: float
    ece: float
    difference: Comparison | None


@dataclass(frozen=True)
class ClassShares:
    """A class: its name, its clips, and the share that each run has correct."""

    name: str
    clips: int
    accuracy: tuple[float, ...]


def write_comparison_page(
    page: Path,
    options: CompareOptions,
    *,
    scores: Sequence[Sequence[ClipScores]],
    compared: Sequence[Comparison],
    few: bool,
) -> None:
    """Write the page.

    Args:
        page: file to write.
        options: what was compared, and how.
        scores: of each run, one set a seed; the same clips in all.
        compared: of each run but the first, its difference from that.
        few: whether what is drawn for the intervals is too little for them.
    """
    runs = [
        _column(page, place, of_seeds, colour=_COLOURS[at % len(_COLOURS)], difference=difference)
        for at, (place, of_seeds, difference) in enumerate(
            zip(options.places, scores, (None, *compared), strict=True)
        )
    ]
    html = render_page(
        "comparison.html",
        runs=runs,
        classes=_classes(scores),
        class_count=len(scores[0][0].class_names),
        clips=len(scores[0][0]),
        split=options.split,
        stream=options.stream,
        drawn=f"{compared[0].groups:,} {options.group_by or 'clip'}s",
        few=few,
        draws=options.n_bootstrap,
        written=datetime.now(UTC).strftime("%d %B %Y, %H:%M UTC"),
    )
    write_text(page, html, overwrite=True)


def _column(
    page: Path, place: Path, scores: Sequence[ClipScores], *, colour: str, difference: Comparison | None
) -> RunColumn:
    metrics = [evaluate_scores(each) for each in scores]
    top1 = [each.top1 for each in metrics]
    report = place / "report.html"
    return RunColumn(
        name=str(place),
        colour=colour,
        about=_about(place) if place.is_dir() else "",
        link=link_between(page, report) if report.is_file() else "",
        seeds=len(scores),
        top1=float(np.mean(top1)),
        interval=correct_share(scores[0]).interval if len(scores) == 1 else over_seeds(top1).interval,
        top5=float(np.mean([each.top5 for each in metrics])),
        mean_class=float(np.mean([each.mean_class for each in metrics])),
        ece=float(np.mean([calibrate(each).ece for each in scores])),
        difference=difference,
    )


def _about(run: Path) -> str:
    """Data, protocol and model of a run; older runs do not say their model."""
    summary: Mapping[str, object] = read_summary(read_seed_folders(run)[0])
    words = (store_stem(str(summary["features"])), summary["protocol"], summary.get("model"))
    return " · ".join(str(word) for word in words if word)


def _classes(scores: Sequence[Sequence[ClipScores]]) -> list[ClassShares]:
    """Classes with clips, those that the runs differ in most first."""
    columns = [[evaluate_scores(each).per_class for each in of_seeds] for of_seeds in scores]
    rows = []
    for number, row in enumerate(columns[0][0]):
        if row.clips:
            shares = [[seed[number].accuracy or 0.0 for seed in seeds] for seeds in columns]
            rows.append(ClassShares(row.name, row.clips, tuple(float(np.mean(each)) for each in shares)))
    return sorted(rows, key=lambda row: (min(row.accuracy) - max(row.accuracy), row.name))
