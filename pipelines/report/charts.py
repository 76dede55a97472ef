"""Where the lines, ticks and marks of a chart lie; `charts.html` draws them as SVG in the page.

A usual report has 14 charts: matplotlib takes 0.4 s of processor time to import and 0.5 s to draw them, about
what training a linear model takes beside importing torch (docs/adr/0011). Bars, histograms and the confusion
matrix are HTML; only lines need a drawing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["FRAME", "ChartFrame", "Curve", "Line", "LineChart", "line_chart", "ticks"]


@dataclass(frozen=True)
class ChartFrame:
    """Size of a drawing, and the ends of its axes; y runs down."""

    width: float = 460
    height: float = 226
    left: float = 46
    right: float = 448
    top: float = 20
    bottom: float = 188


FRAME = ChartFrame()
"""All line charts of the page have the same."""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, its points (NaN breaks it), its colour in CSS and its dashes."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    dash: str = ""


@dataclass(frozen=True)
class Curve:
    """A line in the drawing: its path, and the points that have no neighbour to be joined to."""

    name: str
    colour: str
    dash: str
    path: str
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """A drawing of lines over a common x; all positions are those of `FRAME`.

    Attributes:
        label: what a screen reader says.
        x_name: name of the x axis.
        y_name: name of the y axis.
        x_ticks: (position, text).
        y_ticks: (position, text).
        curves: the lines.
        marks: positions of small marks on the x axis.
        best: (position, text) of a vertical line, None without.
    """

    label: str
    x_name: str
    y_name: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    curves: tuple[Curve, ...]
    marks: tuple[float, ...]
    best: tuple[float, str] | None


def line_chart(
    lines: Sequence[Line],
    *,
    label: str,
    x_name: str,
    y_name: str,
    percent: bool = False,
    best: tuple[float, str] | None = None,
    marks: Sequence[float] = (),
    whole_x: bool = False,
) -> LineChart:
    """Lay out lines; the y axis begins at 0.

    Args:
        lines: at least one, of at least one point.
        label: what a screen reader says.
        x_name: name of the x axis.
        y_name: name of the y axis.
        percent: y are fractions; the axis runs to 100 %.
        best: x of a vertical line, and its text.
        marks: x of small marks on the axis (the shown frames).
        whole_x: x counts things, so ticks are whole numbers.
    """
    xs = np.concatenate([np.asarray(line.x, float) for line in lines])
    ys = np.concatenate([np.asarray(line.y, float) for line in lines])
    low, high = float(xs.min()), float(xs.max())
    high = high if high > low else low + max(1.0, abs(low))
    top_y = 1.0 if percent else float(np.nanmax(ys, initial=0.0)) * 1.05 or 1.0

    def x_at(value: float) -> float:
        return round(FRAME.left + (value - low) / (high - low) * (FRAME.right - FRAME.left), 1)

    def y_at(value: float) -> float:
        return round(FRAME.bottom - value / top_y * (FRAME.bottom - FRAME.top), 1)

    return LineChart(
        label=label,
        x_name=x_name,
        y_name=y_name,
        x_ticks=tuple((x_at(tick), f"{tick:g}") for tick in ticks(low, high, 6, whole=whole_x)),
        y_ticks=tuple(
            (y_at(tick), f"{100 * tick:.0f} %" if percent else f"{tick:g}") for tick in ticks(0.0, top_y, 4)
        ),
        curves=tuple(
            _curve(line, [(x_at(x), y_at(y)) for x, y in zip(line.x, line.y, strict=True)]) for line in lines
        ),
        marks=tuple(map(x_at, marks)),
        best=(x_at(best[0]), best[1]) if best else None,
    )


def ticks(low: float, high: float, most: int, *, whole: bool = False) -> list[float]:
    """Return up to `most` + 1 round numbers from `low` to `high`, equally far apart."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    steps = (power * factor for factor in ((1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)))
    step = next(step for step in steps if step >= rough * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def _curve(line: Line, points: Sequence[tuple[float, float]]) -> Curve:
    """Lift the pen at NaN; a point without neighbours becomes a dot."""
    finite = [False, *(math.isfinite(y) for _, y in points), False]
    path, dots = [], []
    for at, (x, y) in enumerate(points, start=1):
        if not finite[at]:
            continue
        path.append(f"{'L' if finite[at - 1] else 'M'}{x:g} {y:g}")
        if not finite[at - 1] and not finite[at + 1]:
            dots.append((x, y))
    return Curve(line.name, line.colour, line.dash, "".join(path), tuple(dots))
