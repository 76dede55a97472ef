"""Files, records and lines of figures that stage two makes of scored clips."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.classify.scores.calibration import calibrate
from heatpool.classify.scores.confusion_png import write_confusion_png
from heatpool.classify.scores.metrics import Metrics, evaluate_scores, write_confusion_csv
from heatpool.classify.scores.scores import ClipScores, save_scores
from heatpool.classify.scores.shares import confused_pairs, correct_share
from heatpool.pipelines.runs.columns import Columns
from heatpool.pool.store.selection import SplitName

__all__ = ["TOP_CLASSES", "Figures", "figure_lines", "figures_of", "results_table", "write_split"]

TOP_CLASSES = 5
"""Of so many classes and fewer, every clip's class is among the best five."""
_PAIRS = 20


@dataclass(frozen=True)
class Figures:
    """How good scores of some clips are; fractions, means over the seeds where there are several.

    Attributes:
        clips: how many were scored.
        top1: share of clips whose best class is theirs.
        top5: share of clips whose class is among the best five.
        mean_class: mean over the classes of the share of their clips whose best class is theirs.
    """

    clips: int
    top1: float
    top5: float
    mean_class: float


def figures_of(summaries: Sequence[Mapping[str, Any]], split: SplitName) -> dict[str, Figures]:
    """Return the figures of a split by stream and as "fused", from the summaries of all seeds."""
    named = [{**summary["streams"], "fused": summary["fused"]} for summary in summaries]

    def mean(name: str, figure: str) -> float:
        return sum(float(each[name][split][figure]) for each in named) / len(named)

    return {
        name: Figures(
            named[0][name][split]["clips"],
            *(mean(name, figure) for figure in ("acc/top1", "acc/top5", "acc/mean_class")),
        )
        for name in named[0]
        if split in named[0][name]
    }


def write_split(
    folder: Path, split: SplitName, scores: ClipScores, *, columns: Columns | None = None
) -> dict[str, float | int]:
    """Write scores, confusion matrix and tables of a split; return its named figures.

    Args:
        folder: of the stream or run.
        split: goes into the file names.
        scores: labelled.
        columns: each makes a table `by_<column>_<split>.csv`.
    """
    metrics, calibration = evaluate_scores(scores), calibrate(scores)
    save_scores(folder / f"scores_{split}.npz", scores)
    write_confusion_csv(folder / f"confusion_{split}.csv", metrics)
    write_confusion_png(folder / f"confusion_{split}.png", metrics, title=f"{folder.name}, {split}")
    per_class = [(row.name, row.clips, _fraction(row.accuracy)) for row in metrics.per_class]
    _write_csv(folder / f"per_class_{split}.csv", ["class_name", "clips", "accuracy"], per_class)
    _write_csv(folder / f"confused_{split}.csv", ["true", "predicted", "clips"], _pairs(metrics))
    _write_csv(
        folder / f"calibration_{split}.csv",
        ["confidence_above", "confidence_to", "clips", "mean_confidence", "accuracy"],
        [
            (*map(_fraction, (row.low, row.high)), row.clips, *map(_fraction, (row.confidence, row.accuracy)))
            for row in calibration.rows
        ],
    )
    for name, values in (columns or {}).items():
        _write_csv(
            folder / f"by_{name}_{split}.csv",
            [name, "clips", "acc/top1", "low", "high", "acc/mean_class"],
            _group_rows(scores, values),
        )
    return {**metrics.named(), "calibration/ece": calibration.ece, "clips": metrics.clips}


def _pairs(metrics: Metrics) -> list[tuple[str, str, int]]:
    names = [row.name for row in metrics.per_class]
    found = confused_pairs(metrics.confusion, limit=_PAIRS)
    return [(names[true], names[guess], clips) for true, guess, clips in found]


def _group_rows(scores: ClipScores, values: Mapping[str, str]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for value, group in scores.by_group(values).items():
        share, metrics = correct_share(group), evaluate_scores(group)
        figures = (metrics.top1, *share.interval, metrics.mean_class)
        rows.append((value, len(group), *map(_fraction, figures)))
    return rows


def _fraction(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def results_table(summary: Mapping[str, Any], *, classes: int, split: SplitName = "test") -> str:
    """Return the figures of a split as aligned lines, in per cent.

    Args:
        summary: of a run or an evaluation.
        classes: that the run knows; of five or fewer, top-5 says nothing.
        split: whose figures.
    """
    results = {name: stream[split] for name, stream in summary["streams"].items()}
    if summary["fused"] and len(results) > 1:
        results["fused"] = summary["fused"][split]
    shown = {"acc/top1": "top-1", "acc/top5": "top-5", "acc/mean_class": "mean class"}
    if classes <= TOP_CLASSES:
        del shown["acc/top5"]
    head = f"{split}, {summary['clips'][split]} clips"
    width = max(18, len(head), *map(len, results))
    lines = [" ".join([f"{head:<{width}}", *(f"{title:>11}" for title in shown.values())])]
    for name, figures in results.items():
        shares = (f"{100 * figures[key]:10.1f}%" for key in shown)
        lines.append(" ".join([f"{name:<{width}}", *shares]))
    return "\n".join(lines)


def figure_lines(scores: ClipScores, *, name: str, columns: Columns) -> list[str]:
    """Return what a person wants to know beyond the table: calibration, confusions, groups."""
    calibration = calibrate(scores)
    top1 = correct_share(scores)
    low, high = top1.interval
    lines = [
        f"{name}: {top1.correct:,} correct of {top1.total:,}, 95 % interval "
        f"{100 * low:.1f} to {100 * high:.1f} %",
        f"  calibration: confidence {100 * calibration.confidence:.1f} % on average, accuracy "
        f"{100 * top1.share:.1f} %, ECE {100 * calibration.ece:.1f} %",
    ]
    pairs = _pairs(evaluate_scores(scores))[:5]
    if pairs:
        confused = ", ".join(f"{true} as {guess} ({clips})" for true, guess, clips in pairs)
        lines.append(f"  most confused: {confused}")
    for column, values in columns.items():
        groups = {value: correct_share(group) for value, group in scores.by_group(values).items()}
        if len(groups) < 2:
            continue
        ordered = sorted(groups, key=lambda value: groups[value].share)
        shown = ordered if len(ordered) <= 6 else [*ordered[:3], *ordered[-3:]]
        shares = ", ".join(
            f"{value} {100 * groups[value].share:.1f} % of {groups[value].total}" for value in shown
        )
        lines.append(f"  by {column}{' (worst and best)' if len(ordered) > 6 else ''}: {shares}")
    return lines
