"""The timeline: a picture of what happens when, a row per video, a colour per class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from heatpool.pipelines.drawing.fonts import Fonts, find_fonts
from heatpool.pipelines.drawing.text_width import cut_middle, cut_text
from heatpool.pipelines.training.prediction.records import Segment
from heatpool.pipelines.training.prediction.tables import clock
from heatpool.pool.disk.atomic import atomic_file

__all__ = ["class_colours", "write_timeline"]

Colour = tuple[float, float, float, float]

_MOST_ROWS = 60
_MOST_CLASSES = 19  # of which each has a colour that the eye tells apart; the rest share the last one
_OTHERS = "other classes"
_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
_DPI, _WIDTH_IN, _ROW_IN = 120, 12.0, 0.34


def class_colours(segments: Sequence[Segment]) -> dict[str, Colour]:
    """Return RGBA of each class that occurs, longest first; classes beyond 19 are grey."""
    seconds = defaultdict[str, float](float)
    for each in segments:
        seconds[each.label] += each.end_s - each.start_s
    map_, grey = colormaps["tab20"], 14
    palette = [map_(number) for number in (*range(0, 20, 2), *range(1, 20, 2)) if number != grey]
    return {
        label: palette[rank] if rank < _MOST_CLASSES else map_(grey)
        for rank, label in enumerate(sorted(seconds, key=lambda label: -seconds[label]))
    }


def write_timeline(path: Path, segments: Sequence[Segment], *, overwrite: bool) -> None:
    """Draw the segments of up to 60 videos as a PNG; the taller a bar, the surer.

    Raises:
        HeatpoolError: if the file cannot be written.
    """
    videos = list(dict.fromkeys(each.path for each in segments))
    shown, colours = videos[:_MOST_ROWS], class_colours(segments)
    legend, names = list(colours)[:_MOST_CLASSES], _unique_names(shown)
    fonts = find_fonts([*names, *legend])
    figure = Figure(figsize=(_WIDTH_IN, 1), dpi=_DPI, layout="constrained")
    canvas, axes = FigureCanvasAgg(figure), figure.add_subplot()
    for row, video in enumerate(shown):
        for each in (each for each in segments if each.path == video):
            span = [(each.start_s, each.end_s - each.start_s)]
            tall = 0.8 * each.confidence
            axes.broken_barh(span, (row - 0.4, 0.8), facecolors=(*colours[each.label][:3], 0.15))
            axes.broken_barh(span, (row + 0.4 - tall, tall), facecolors=colours[each.label])
    labels = [_plain(cut_middle(name, 36), fonts) for name in names]
    _label_axes(axes, labels, fonts, hidden=len(videos) - len(shown))
    patches = [Patch(color=colours[label], label=_plain(cut_text(label, 30), fonts)) for label in legend]
    if len(colours) > len(legend):
        patches.append(Patch(color=list(colours.values())[-1], label=_OTHERS))
    legend_px = _add_legend(canvas, patches, fonts) if patches else 0.0
    figure.set_figheight(1.0 + _ROW_IN * max(len(shown), 2) + legend_px / _DPI)
    with atomic_file(path, overwrite) as aside:
        canvas.print_png(str(aside))


def _add_legend(canvas: FigureCanvasAgg, patches: Sequence[Patch], fonts: Fonts) -> float:
    """Add a legend of as many columns as fit; return its height in pixels."""
    figure = canvas.figure
    for columns in range(5, 0, -1):
        legend = figure.legend(
            handles=patches, loc="outside lower left", ncols=columns, frameon=False, prop=_style(fonts)
        )
        box = legend.get_window_extent(canvas.get_renderer())
        if box.width <= figure.bbox.width or columns == 1:
            break
        legend.remove()
    return float(box.height)


def _unique_names(videos: Sequence[str]) -> list[str]:
    names = [PurePath(video).name for video in videos]
    return [name if names.count(name) == 1 else video for name, video in zip(names, videos, strict=True)]


def _label_axes(axes: Axes, names: Sequence[str], fonts: Fonts, *, hidden: int) -> None:
    axes.set_yticks(range(len(names)), names, **_style(fonts))
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.set_xlim(left=0)
    seconds = axes.get_xlim()[1]
    step_s = next((step_s for step_s in _STEPS_S if seconds <= 12 * step_s), seconds / 12)
    axes.xaxis.set_major_locator(MultipleLocator(step_s))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda time_s, _: clock(time_s).removesuffix(".00")))
    axes.tick_params(axis="x", labelsize=9)
    more = f" (and {hidden} more videos in segments.csv)" if hidden > 0 else ""
    axes.set_xlabel(
        f"time from the start of the video, minutes:seconds; height: confidence{more}", fontsize=9
    )
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _style(fonts: Fonts) -> dict[str, Any]:
    return {"family": list(fonts.families), "size": 9}


def _plain(text: str, fonts: Fonts) -> str:
    """Keep the dollar signs of a name from being read as formulas."""
    return fonts.drawable(text).replace("$", r"\$")
