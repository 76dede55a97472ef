"""Charts as inline SVG: no script, no font file; texts are escaped and can be selected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

__all__ = ["Line", "Row", "bar_chart", "confusion_chart", "histogram", "line_chart", "tag"]

INK, FAINT, GRID = "#1f2430", "#5b6472", "#e3e6eb"
_LETTER = 0.56  # mean width of a letter in font sizes


@dataclass(frozen=True)
class Row:
    """A bar: its name, its share and the interval of the share (fractions), its colour."""

    name: str
    share: float
    low: float
    high: float
    colour: str
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a chart: its name, its points (NaN breaks it), its colour and its dashes."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    colour: str
    dash: str = ""


def tag(name: str, *children: object, **attributes: object) -> Markup:
    """An element; children and attribute values are escaped, `_` in attribute names becomes `-`."""
    pairs = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _text(value))
        for key, value in attributes.items()
        if value is not None
    )
    inside = Markup("").join(escape(child) for child in children)
    return Markup("<{0}{1}>{2}</{0}>").format(Markup(name), pairs, inside)


def _text(value: object) -> object:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value


def _picture(width: float, height: float, label: str, *children: object, kind: str) -> Markup:
    return tag(
        "svg", *children, viewBox=f"0 0 {width:.0f} {height:.0f}", width=f"{width:.0f}", role="img",
        aria_label=label, class_=f"chart {kind}",
    )  # fmt: skip


def _label(
    text: str, x: float, y: float, *, anchor: str = "start", size: float = 12, fill: str = INK
) -> Markup:
    return tag("text", text, x=x, y=y, text_anchor=anchor, font_size=size, fill=fill)


def _rule(x1: float, y1: float, x2: float, y2: float, *, stroke: str = GRID, width: float = 1) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=stroke, stroke_width=width)


def _wide(names: Sequence[str], size: float) -> float:
    return max(len(name) for name in names) * size * _LETTER


def bar_chart(rows: Sequence[Row], *, label: str) -> Markup:
    """Horizontal bars from 0 to 100 % with intervals as whiskers; value and note stand beside each."""
    left, plot, right, step, top = _wide([row.name for row in rows], 13) + 14, 420.0, 190.0, 34.0, 8.0
    bottom = top + step * len(rows)
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + plot * tick
        parts += [
            _rule(x, top, x, bottom),
            _label(_percent(tick), x, bottom + 16, anchor="middle", fill=FAINT),
        ]
    for number, row in enumerate(rows):
        y = top + step * (number + 0.5)
        low, high = left + plot * row.low, left + plot * row.high
        parts += [
            _label(row.name, left - 10, y + 4.5, anchor="end", size=13),
            tag(
                "rect", x=left, y=y - 9, width=plot * row.share, height=18, fill=row.colour, fill_opacity=0.85
            ),
            _rule(low, y, high, y, stroke=INK, width=1.5),
            _rule(low, y - 5, low, y + 5, stroke=INK, width=1.5),
            _rule(high, y - 5, high, y + 5, stroke=INK, width=1.5),
            _label(_percent(row.share, 1), left + plot + 12, y + 4.5, size=13),
            _label(row.note, left + plot + 70, y + 4.5, fill=FAINT),
        ]
    return _picture(left + plot + right, bottom + 24, label, *parts, kind="bars")


def _percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"


def _ticks(low: float, high: float, count: int, *, whole: bool = False) -> np.ndarray:
    steps = [1, 2, 5, 10] if whole else [1, 2, 2.5, 5, 10]
    ticks = np.asarray(MaxNLocator(nbins=count, steps=steps, integer=whole).tick_values(low, high))
    return ticks[(ticks >= low - 1e-9) & (ticks <= high + 1e-9)]


@dataclass(frozen=True)
class _Axes:
    """A plot from (low_x, 0) to (high_x, top_y) in a drawing of width × height."""

    low_x: float
    high_x: float
    top_y: float
    width: float
    height: float
    left: float = 46.0
    top: float = 44.0

    @property
    def right(self) -> float:
        return self.width - 12

    @property
    def bottom(self) -> float:
        return self.height - 38

    def x(self, value: float) -> float:
        return self.left + (value - self.low_x) / (self.high_x - self.low_x) * (self.right - self.left)

    def y(self, value: float) -> float:
        return self.bottom - value / self.top_y * (self.bottom - self.top)

    def frame(
        self, x_name: str, y_name: str, *, percent: bool = False, whole_x: bool = False, whole_y: bool = False
    ) -> list[Markup]:
        """Names, ticks and grid."""
        parts = [_label(y_name, 4, 14, fill=FAINT)]
        for tick in _ticks(0.0, self.top_y, 4, whole=whole_y).tolist():
            text = _percent(tick) if percent else f"{tick:g}"
            parts += [_rule(self.left, self.y(tick), self.right, self.y(tick))]
            parts += [_label(text, self.left - 6, self.y(tick) + 4, anchor="end", size=11, fill=FAINT)]
        for tick in _ticks(self.low_x, self.high_x, 6, whole=whole_x).tolist():
            parts += [
                _label(f"{tick:g}", self.x(tick), self.bottom + 16, anchor="middle", size=11, fill=FAINT)
            ]
        middle = (self.left + self.right) / 2
        parts += [_label(x_name, middle, self.bottom + 33, anchor="middle", fill=FAINT)]
        return [*parts, _rule(self.left, self.bottom, self.right, self.bottom, stroke=FAINT)]


def line_chart(
    lines: Sequence[Line],
    *,
    label: str,
    x_name: str,
    y_name: str,
    percent: bool = False,
    mark: tuple[float, str] | None = None,
    ticks_x: Sequence[float] = (),
    whole_x: bool = False,
    width: float = 460.0,
    height: float = 250.0,
) -> Markup:
    """Lines over a common x; the y axis begins at 0.

    Args:
        lines: at least one, of at least one point.
        label: what a screen reader says.
        x_name: name of the x axis.
        y_name: name of the y axis, written above it.
        percent: y are fractions; the axis runs to 100 %.
        mark: x of a vertical mark, and its text.
        ticks_x: positions of small marks above the axis (the shown frames).
        whole_x: x counts things, so ticks are whole numbers.
        width: of the drawing.
        height: of the drawing.
    """
    xs = np.concatenate([np.asarray(line.x, float) for line in lines])
    ys = np.concatenate([np.asarray(line.y, float) for line in lines])
    low, high = float(xs.min()), float(xs.max())
    highest = float(np.nanmax(ys, initial=0.0)) * 1.05
    axes = _Axes(low, high if high > low else low + 1, 1.0 if percent else highest or 1.0, width, height)
    parts = axes.frame(x_name, y_name, percent=percent, whole_x=whole_x) + _legend(lines, axes.right)
    for tick in ticks_x:
        parts += [_rule(axes.x(tick), axes.bottom - 6, axes.x(tick), axes.bottom, stroke=INK, width=1.5)]
    if mark:
        x, late = axes.x(mark[0]), mark[0] > (low + high) / 2
        dots = {"stroke": FAINT, "stroke_dasharray": "2 3"}
        parts += [tag("line", x1=x, y1=axes.top, x2=x, y2=axes.bottom, **dots)]
        place = (x - 5, "end") if late else (x + 5, "start")
        parts += [_label(mark[1], place[0], axes.top - 4, anchor=place[1], size=11)]
    for line in lines:
        parts += [_curve(line, [(axes.x(x), axes.y(y)) for x, y in zip(line.x, line.y, strict=True)])]
    return _picture(width, height, label, *parts, kind="lines")


def _legend(lines: Sequence[Line], right: float) -> list[Markup]:
    parts, x = [], right
    for line in reversed(lines):
        x -= len(line.name) * 12 * _LETTER
        parts += [_label(line.name, x, 14)]
        sample = {"stroke": line.colour, "stroke_width": 2, "stroke_dasharray": line.dash or None}
        parts += [tag("line", x1=x - 26, y1=10, x2=x - 5, y2=10, **sample)]
        x -= 42
    return parts


def _curve(line: Line, points: Sequence[tuple[float, float]]) -> Markup:
    """A path that lifts the pen at NaN; a point without neighbours becomes a dot."""
    finite = [bool(np.isfinite(y)) for _, y in points]
    path, dots = [], []
    for at, (x, y) in enumerate(points):
        if not finite[at]:
            continue
        before, after = at > 0 and finite[at - 1], at + 1 < len(points) and finite[at + 1]
        path.append(f"{'L' if before else 'M'}{x:.1f} {y:.1f}")
        if not before and not after:
            dots.append(tag("circle", cx=x, cy=y, r=3, fill=line.colour))
    stroke = {"stroke": line.colour, "stroke_width": 2, "stroke_dasharray": line.dash or None}
    return tag("g", tag("path", d="".join(path), fill="none", stroke_linejoin="round", **stroke), *dots)


def histogram(values: np.ndarray, *, label: str, x_name: str, colour: str) -> Markup:
    """Counts of whole numbers (n,), n >= 1, in up to 20 bins of whole width; counts are said on hover."""
    low, high = int(values.min()), int(values.max()) + 1
    step = -(-(high - low) // 20)
    edges = np.arange(low, high + step, step)
    counts, _ = np.histogram(values, bins=edges)
    axes = _Axes(float(edges[0]), float(edges[-1]), float(counts.max()), 460.0, 200.0, top=28.0)
    parts = axes.frame(x_name, "clips", whole_x=True, whole_y=True)
    for count, first, following in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        span = f"{first}" if step == 1 else f"{first} to {following - 1}"
        said = tag("title", f"{count} clips of {span}")
        x, top = axes.x(first), axes.y(count)
        wide = max(axes.x(following) - x - 1, 1.0)
        parts += [tag("rect", said, x=x, y=top, width=wide, height=axes.bottom - top, fill=colour)]
    return _picture(axes.width, axes.height, label, *parts, kind="lines")


def _mix(share: float, colour: tuple[int, int, int]) -> str:
    """White at 0 to `colour` at 1; the root keeps small shares visible."""
    red, green, blue = (round(255 + (value - 255) * share**0.6) for value in colour)
    return f"#{red:02x}{green:02x}{blue:02x}"


_RIGHT, _WRONG = (0, 84, 147), (190, 76, 0)


def confusion_chart(confusion: np.ndarray, names: Sequence[str], *, label: str) -> Markup:
    """Confusion matrix, true class by row; every cell says its clips on hover.

    Args:
        confusion: (K, K) counts.
        names: K class names.
        label: what a screen reader says.
    """
    cell = float(np.clip(820 / len(names), 13, 36))
    size = min(12.0, cell * 0.72)
    short = [name if len(name) <= 30 else name[:29] + "…" for name in names]
    left = _wide(short, size) + 14
    slant = np.deg2rad(
        45 if cell > 20 else 62
    )  # steeper where columns are narrow, so that names do not touch
    top, side = left * float(np.sin(slant)) + 26, cell * len(names)
    parts = [
        _label("row: true class; column: taken for", 0, 13, fill=FAINT),
        tag("rect", x=left, y=top, width=side, height=side, fill="#fff", stroke="#aab1bc"),
    ]
    for k, (name, full) in enumerate(zip(short, names, strict=True)):
        at = (k + 0.5) * cell + size * 0.35
        said = tag("title", full)
        turn = f"translate({left + at:.1f} {top - 7:.1f}) rotate({-np.rad2deg(slant):.0f})"
        parts += [tag("text", name, said, x=left - 7, y=top + at, text_anchor="end", font_size=size)]
        parts += [tag("text", name, said, transform=turn, font_size=size)]
        if k:
            parts += [_rule(left + k * cell, top, left + k * cell, top + side, stroke="#eef0f3")]
            parts += [_rule(left, top + k * cell, left + side, top + k * cell, stroke="#eef0f3")]
    for row, column in np.argwhere(confusion).tolist():
        clips, total = int(confusion[row, column]), int(confusion[row].sum())
        told = f"{names[row]} taken for {names[column]}: {clips} of {total} clips ({_percent(clips / total)})"
        colour = _RIGHT if row == column else _WRONG
        parts += [_cell(left + column * cell, top + row * cell, cell, clips, clips / total, colour, told)]
    # Slanted names of the last columns reach beyond the matrix.
    lean = size * _LETTER * float(np.cos(slant))
    reach = max((k + 1) * cell + len(name) * lean for k, name in enumerate(short))
    return _picture(left + max(side, reach) + 6, top + side + 4, label, *parts, kind="matrix")


def _cell(
    x: float, y: float, side: float, clips: int, share: float, colour: tuple[int, int, int], said: str
) -> Markup:
    size = min(12.0, side * 0.62)
    text = {"text_anchor": "middle", "font_size": size, "fill": "#fff" if share > 0.4 else INK}
    return tag(
        "g",
        tag("title", said),
        tag("rect", x=x, y=y, width=side, height=side, fill=_mix(share, colour)),
        tag("text", clips, x=x + side / 2, y=y + side / 2 + size * 0.36, **text),
    )
