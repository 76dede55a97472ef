"""The report's answers to: how sure is it, who is it good for, and does another seed say the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from heatpool.classify.scores.calibration import Calibration, calibrate
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.classify.scores.shares import Share, correct_share
from heatpool.pipelines.report.charts import Line, LineChart, line_chart

__all__ = ["Group", "GroupTable", "Trust", "make_trust"]

_MOST_GROUPS = 40


@dataclass(frozen=True)
class Group:
    """Test clips that share a value: the value, how many are correct, mean class accuracy."""

    value: str
    top1: Share
    mean_class: float


@dataclass(frozen=True)
class GroupTable:
    """The groups of a manifest column, worst first."""

    column: str
    groups: tuple[Group, ...]


@dataclass(frozen=True, eq=False)
class Trust:
    """What a reader needs to judge the figures.

    Attributes:
        calibrations: by result name, the main result last.
        chart: reliability of the main result.
        groups: a table a column with two to forty values among the test clips.
        seeds: which were trained, empty for one.
        over_seeds: (result name, its figures on the test split over the seeds), the main one last.
    """

    calibrations: tuple[tuple[str, Calibration], ...]
    chart: LineChart
    groups: tuple[GroupTable, ...]
    seeds: tuple[int, ...]
    over_seeds: tuple[tuple[str, Mapping[str, Any]], ...]

    @property
    def main(self) -> Calibration:
        """Calibration of the main result."""
        return self.calibrations[-1][1]


def make_trust(
    scores: Mapping[str, ClipScores],
    *,
    main: str,
    columns: Mapping[str, Mapping[str, str]],
    seeds: Mapping[str, Any],
) -> Trust:
    """Work out calibration, groups and spread.

    Args:
        scores: of the test split, by result.
        main: the result that stands first.
        columns: value by clip id, by manifest column.
        seeds: content of seeds.json, empty for one seed.
    """
    ordered = [name for name in scores if name != main] + [main]
    calibrations = tuple((name, calibrate(scores[name])) for name in ordered)
    tables = (_groups(name, scores[main], values) for name, values in columns.items())
    return Trust(
        calibrations=calibrations,
        chart=_chart(calibrations[-1][1], main),
        groups=tuple(table for table in tables if 2 <= len(table.groups) <= _MOST_GROUPS),
        seeds=tuple(seeds.get("seeds", ())),
        over_seeds=tuple((name, seeds["figures"][name]["test"]) for name in ordered) if seeds else (),
    )


def _groups(column: str, scores: ClipScores, values: Mapping[str, str]) -> GroupTable:
    groups = [
        Group(value, correct_share(group), evaluate_scores(group).mean_class)
        for value, group in scores.by_group(values).items()
    ]
    return GroupTable(column, tuple(sorted(groups, key=lambda group: (group.top1.share, group.value))))


def _chart(calibration: Calibration, name: str) -> LineChart:
    rows = [row for row in calibration.rows if row.clips]
    ideal = Line("as sure as correct", (0.0, 1.0), (0.0, 1.0), "var(--muted)", "5 3")
    found = Line(
        name, [row.confidence or 0.0 for row in rows], [row.accuracy or 0.0 for row in rows], "var(--blue)"
    )
    return line_chart(
        [ideal, found],
        label=f"Reliability of {name}: accuracy by confidence, ECE {calibration.ece:.1%}",
        x_name="confidence: probability of the best class",
        y_name="accuracy",
        percent=True,
    )
