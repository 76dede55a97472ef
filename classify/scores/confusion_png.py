"""A confusion matrix as a picture."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from heatpool.classify.scores.metrics import Metrics

__all__ = ["write_confusion_png"]

_NAMED = 30  # with more classes, names and counts would be too small to read
_LONGEST = 40  # letters of a name
_MARGIN_PX, _SIDE_PX = 16, 900
_CELL_PX = (46, 120)  # of a class that is named: least and most
_WHITE, _BLACK, _BLUE = (255, 255, 255), (20, 20, 20), (8, 48, 107)
_DARK = 0.55  # counts on shares above are white


def write_confusion_png(path: Path, metrics: Metrics, *, title: str = "") -> None:
    """Draw the confusion matrix, each row as shares of its class; up to 30 classes with counts and names.

    A run has six of them. Pillow draws one in some milliseconds; matplotlib takes a quarter of a second of
    processor time each, and more to be imported, which a small head is trained in.
    """
    names = [_one_line(row.name) for row in metrics.per_class]
    shares = metrics.confusion / np.maximum(metrics.confusion.sum(1, keepdims=True), 1)
    named = len(names) <= _NAMED
    cell = max(_SIDE_PX // 2 // len(names), _CELL_PX[0]) if named else max(_SIDE_PX // len(names), 1)
    cell = min(cell, _CELL_PX[1])
    font = _font(14)
    longest = max(round(font.getlength(name)) for name in names) if named else 0
    left, top = 3 * _MARGIN_PX + longest, 4 * _MARGIN_PX
    side = cell * len(names)
    picture = Image.new("RGB", (left + side + _MARGIN_PX, top + side + longest + 2 * _MARGIN_PX), _WHITE)
    picture.paste(_cells(shares, cell), (left, top))
    draw = ImageDraw.Draw(picture)
    draw.rectangle((left - 1, top - 1, left + side, top + side), outline=_BLACK)
    draw.text((left, _MARGIN_PX), title, fill=_BLACK, font=_font(18))
    draw.text((left, top - 20), "rows: true class, columns: predicted", fill=_BLACK, font=font)
    if named:
        for number, name in enumerate(names):
            middle = round((number + 0.5) * cell)
            draw.text((left - _MARGIN_PX // 2, top + middle), name, fill=_BLACK, font=font, anchor="rm")
            _write_upwards(picture, name, (left + middle, top + side + _MARGIN_PX // 2), font)
        for row, column in zip(*metrics.confusion.nonzero(), strict=True):
            place = (left + round((column + 0.5) * cell), top + round((row + 0.5) * cell))
            colour = _WHITE if shares[row, column] > _DARK else _BLACK
            draw.text(place, str(metrics.confusion[row, column]), fill=colour, font=font, anchor="mm")
    picture.save(path, compress_level=1)


def _one_line(name: str) -> str:
    """Shorten a name to what fits beside a matrix."""
    line = " ".join(name.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _cells(shares: np.ndarray, cell: int) -> Image.Image:
    """The matrix (K, K) from white to blue, `cell` pixels a value."""
    colours = np.array(_WHITE) + shares[..., None] * (np.array(_BLUE) - np.array(_WHITE))
    return Image.fromarray(colours.round().astype(np.uint8).repeat(cell, 0).repeat(cell, 1))


def _write_upwards(
    picture: Image.Image,
    text: str,
    top_middle: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    """Write a line of text that runs upwards and ends at `top_middle`."""
    left, top, right, bottom = (round(end) for end in font.getbbox(text))
    strip = Image.new("RGB", (right - left + 1, bottom - top + 1), _WHITE)
    ImageDraw.Draw(strip).text((-left, -top), text, fill=_BLACK, font=font)
    strip = strip.rotate(90, expand=True)
    picture.paste(strip, (top_middle[0] - strip.width // 2, top_middle[1]))
