"""The energy of pooled features over the time of a video, and contact sheets with that curve below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from heatpool.pipelines.drawing.overlay import PERSON_COLOURS
from heatpool.pipelines.drawing.scene import Scene

__all__ = ["EnergyChart", "draw_sheet"]

_DPI = 100
_GROUND, _INK, _CURSOR = "#16181c", "#c8ccd4", (255, 255, 255)
_DASHES = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 1.5, 1.5, 1.5)))
_MARGIN_PX = (58, 14, 24, 34)  # left, right, top, bottom of the axes
_LETTER_PX, _NAME_PX = 6.3, 95  # width of a letter of the title, and of a slot's name with its line
_GAP_PX = 6  # between the pictures of a sheet


@dataclass(frozen=True, eq=False)
class EnergyChart:
    """Energy over time, drawn once, with a place for every time.

    Attributes:
        rgb: (height, width, 3) uint8.
        first_s: time of the left end of the axes.
        last_s: of the right end.
        left_px: column of the left end.
        right_px: of the right end.
        top_px: row of the upper end.
        bottom_px: of the lower end.
    """

    rgb: np.ndarray
    first_s: float
    last_s: float
    left_px: int
    right_px: int
    top_px: int
    bottom_px: int

    @classmethod
    def of(cls, scene: Scene, time_s: np.ndarray, *, size_px: tuple[int, int], title: str) -> EnergyChart:
        """Draw the curves of all slots that are ever filled.

        Args:
            scene: with F frames.
            time_s: (F,) of the frames.
            size_px: width and height of the chart.
            title: text above it, cut where it would run into the names of the slots.
        """
        width, height = size_px
        left, right, top, bottom = _MARGIN_PX
        right = min(right, width - left - 1)  # videos may be narrower than the margins
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, facecolor=_GROUND)
        canvas = FigureCanvasAgg(figure)
        axes = figure.add_axes(
            (left / width, bottom / height, (width - left - right) / width, (height - top - bottom) / height)
        )
        first_s, last_s = float(time_s[0]), float(time_s[-1])
        last_s = last_s if last_s > first_s else first_s + 1.0
        axes.set(xlim=(first_s, last_s), facecolor=_GROUND)
        slots = np.flatnonzero(scene.filled.any(1)).tolist()
        _plot(axes, scene, time_s, slots)
        room = int((width - left - right - _NAME_PX * len(slots)) / _LETTER_PX)
        title = title if len(title) <= room else title[: max(room - 1, 0)] + "…"
        axes.set_title(title, loc="left", fontsize=8, color=_INK, pad=5, parse_math=False)
        canvas.draw()
        rgb = np.asarray(canvas.buffer_rgba())[..., :3].copy()
        return cls(rgb, first_s, last_s, left, width - right, top, height - bottom)

    def at(self, times_s: np.ndarray) -> np.ndarray:
        """Return the chart with a cursor at each of some times, (height, width, 3) uint8."""
        picture = self.rgb.copy()
        for time_s in times_s.tolist():
            share = (time_s - self.first_s) / (self.last_s - self.first_s)
            column = round(self.left_px + share * (self.right_px - self.left_px))
            cv2.line(picture, (column, self.top_px), (column, self.bottom_px), _CURSOR, 1)
        return picture


def _plot(axes: Axes, scene: Scene, time_s: np.ndarray, slots: Sequence[int]) -> None:
    """Draw the curves of some slots, broken where nobody fills them, with axes and names."""
    for slot in slots:
        colour = tuple(value / 255 for value in PERSON_COLOURS[slot % len(PERSON_COLOURS)])
        axes.plot(
            time_s,
            np.where(scene.filled[slot], scene.energy[slot], np.nan),
            color=colour,
            linestyle=_DASHES[slot % len(_DASHES)],
            linewidth=1.4,
            marker=".",  # shows a person that is seen in a single frame
            markersize=2.5,
            label=f"person {slot + 1}",
        )
    axes.set_xlabel("s", fontsize=8, color=_INK, labelpad=1)
    axes.set_ylabel("energy", fontsize=8, color=_INK)
    axes.tick_params(colors=_INK, labelsize=7)
    axes.grid(color=_INK, alpha=0.15, linewidth=0.6)
    for spine in axes.spines.values():
        spine.set(color=_INK, alpha=0.4)
    if not slots:
        axes.text(0.5, 0.5, "no person detected", color=_INK, ha="center", transform=axes.transAxes)
        return
    axes.legend(  # beside the title, where it covers no curve
        fontsize=7,
        labelcolor=_INK,
        frameon=False,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.98),
        ncols=len(slots),
        borderaxespad=0.0,
    )


def draw_sheet(
    tiles: Sequence[np.ndarray], at: Sequence[int], scene: Scene, time_s: np.ndarray, *, title: str
) -> np.ndarray:
    """Lay pictures out in rows, with their times, and the energy curve below.

    Args:
        tiles: of equal size.
        at: their positions in the scene.
        scene: with F frames.
        time_s: (F,) of the frames.
        title: text above the curve.

    Returns:
        (height, width, 3) uint8.
    """
    tall, wide = tiles[0].shape[:2]
    columns = min(len(tiles), 4 if wide >= tall else 6)
    rows = -(-len(tiles) // columns)
    width = columns * (wide + _GAP_PX) + _GAP_PX
    ground = tuple(int(_GROUND[at : at + 2], 16) for at in (1, 3, 5))
    grid = np.full((rows * (tall + _GAP_PX) + _GAP_PX, width, 3), ground, np.uint8)
    for number, (tile, place) in enumerate(zip(tiles, at, strict=True)):
        row, column = divmod(number, columns)
        top, left = _GAP_PX + row * (tall + _GAP_PX), _GAP_PX + column * (wide + _GAP_PX)
        grid[top : top + tall, left : left + wide] = _stamped(tile, f"{time_s[place]:.2f} s")
    size_px = (width, max(round(width * 0.14), 150))
    chart = EnergyChart.of(scene, time_s, size_px=size_px, title=title)
    return np.concatenate([grid, chart.at(time_s[list(at)])])


def _stamped(tile: np.ndarray, text: str) -> np.ndarray:
    """Write a text into the lower left corner."""
    out = tile.copy()
    (wide, tall), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.5, 1)
    bottom = out.shape[0] - 1
    cv2.rectangle(out, (0, bottom - tall - below - 6), (wide + 10, bottom), (22, 24, 28), cv2.FILLED)
    place = (5, bottom - below - 2)
    cv2.putText(out, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (230, 230, 230), 1, cv2.LINE_AA)
    return out
