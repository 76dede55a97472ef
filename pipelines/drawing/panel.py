"""The panel below the frames of an annotated video: the prediction of the moment, and where its clip lies."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from heatpool.pipelines.drawing.fonts import find_fonts
from heatpool.pipelines.drawing.text_width import cut_text, text_width

__all__ = ["ClassShare", "PredictionPanel"]

ClassShare = tuple[str, float]
"""A class name and its probability."""

_GROUND, _INK, _FAINT, _CURSOR = "#16181c", "#f2f4f8", "#a9afba", (255, 255, 255)
_BEST, _OTHER, _PRESENT, _WINDOW = "#0072b2", "#3a4452", "#56b4e9", "#3a4452"
_DPI = 100
_PAD_PX = 10
_TIMELINE_PX = 8


class PredictionPanel:
    """Draws the rows of one clip after the other; each clip is drawn once.

    Args:
        spans_s: start and end of each clip in the video.
        rows: of each clip, best first.
        reasons: of each clip, shown where it has no rows.
        span_s: first and last time of the video.
        width_px: of the panel.

    Attributes:
        height_px: of the panel, even.
    """

    def __init__(
        self,
        spans_s: Sequence[tuple[float, float]],
        rows: Sequence[Sequence[ClassShare]],
        reasons: Sequence[str],
        *,
        span_s: tuple[float, float],
        width_px: int,
    ) -> None:
        self._spans_s, self._rows, self._reasons, self._span_s = spans_s, rows, reasons, span_s
        self._width_px = width_px
        self._fonts = find_fonts([*(name for each in rows for name, _ in each), *reasons])
        self._row_px = int(np.clip(round(width_px * 0.05), 26, 44))
        lines = max(1, *map(len, rows))
        # A line of times, the rows, the time line; even, as video codecs want it.
        height_px = round(self._row_px * (lines + 0.9)) + _TIMELINE_PX + 3 * _PAD_PX
        self.height_px = height_px + height_px % 2
        self._still = lru_cache(maxsize=2)(self._draw)  # a clip follows the other

    def at(self, number: int | None, time_s: float) -> np.ndarray:
        """Return the panel at a time, during clip `number`: (height, width, 3) uint8 RGB."""
        picture = self._still(number).copy()
        column = round(self._column(time_s))
        bottom = self.height_px - _PAD_PX + 3
        cv2.line(picture, (column, bottom - _TIMELINE_PX - 6), (column, bottom), _CURSOR, 2)
        return picture

    def _column(self, time_s: float) -> float:
        first_s, last_s = self._span_s
        share = np.clip((time_s - first_s) / max(last_s - first_s, 1e-9), 0, 1)
        return float(_PAD_PX + share * (self._width_px - 2 * _PAD_PX))

    def _draw(self, number: int | None) -> np.ndarray:
        width, height = self._width_px, self.height_px
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_GROUND)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set(xlim=(0, width), ylim=(height, 0))  # pixels, y down
        axes.axis("off")
        if number is not None:
            start_s, end_s = self._spans_s[number]
            text = f"{start_s:.2f} to {end_s:.2f} s"
            text = f"window {number + 1} of {len(self._spans_s)}: {text}" if len(self._spans_s) > 1 else text
        else:
            text = "between clips"
        small = self._row_px * 0.52
        top = _PAD_PX + self._row_px * 0.4
        axes.text(_PAD_PX, top, text, fontsize=_points(small), color=_FAINT, va="center", parse_math=False)
        rows = () if number is None else self._rows[number]
        top += self._row_px * 0.5
        for rank, row in enumerate(rows):
            self._draw_row(axes, row, top + rank * self._row_px, best=rank == 0)
        if number is not None and not rows:
            self._write(axes, self._reasons[number], "", top + self._row_px / 2, best=False)
        self._draw_spans(axes, number)
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _draw_row(self, axes: Axes, row: ClassShare, top_px: float, *, best: bool) -> None:
        """Draw a bar as long as the probability, the name on it and the share at the right edge."""
        name, share = row
        wide, tall = self._width_px - 2 * _PAD_PX, self._row_px - 4
        axes.add_patch(Rectangle((_PAD_PX, top_px + 2), wide, tall, color="#22262d"))
        axes.add_patch(Rectangle((_PAD_PX, top_px + 2), wide * share, tall, color=_BEST if best else _OTHER))
        self._write(axes, name, f"{100 * share:.1f} %", top_px + self._row_px / 2, best=best)

    def _write(self, axes: Axes, left: str, right: str, y_px: float, *, best: bool) -> None:
        size_px = self._row_px * 0.6
        style: dict[str, Any] = {
            "fontsize": _points(size_px), "color": _INK, "va": "center_baseline", "parse_math": False,
            "fontweight": "bold" if best else "normal", "family": self._fonts.families,
        }  # fmt: skip
        # 0.62 em is a generous letter of DejaVu Sans; what does not fit is cut.
        room = int((self._width_px - 2 * _PAD_PX) / (0.62 * size_px) - text_width(right) - 2)
        left = self._fonts.drawable(cut_text(left, max(room, 2)))
        axes.text(_PAD_PX + 8, y_px, left, ha="left", **style)
        axes.text(self._width_px - _PAD_PX - 8, y_px, right, ha="right", **style)

    def _draw_spans(self, axes: Axes, number: int | None) -> None:
        """Draw the time line: all clips, and the present one."""
        top = self.height_px - _PAD_PX - _TIMELINE_PX
        order = [at for at in range(len(self._spans_s)) if at != number]
        for at in [*order, *([] if number is None else [number])]:
            start, end = map(self._column, self._spans_s[at])
            colour = _PRESENT if at == number else _WINDOW
            axes.add_patch(
                Rectangle((start, top), end - start, _TIMELINE_PX, facecolor=colour, edgecolor=_GROUND)
            )


def _points(size_px: float) -> float:
    return size_px * 72 / _DPI
