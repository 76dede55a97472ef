"""Videos that lie as single pictures: a folder of them, or a pattern such as `frames/img_%05d.jpg`."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from heatpool.extract.video.packets import MOST_PIXELS, PacketTable
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "PICTURE_SUFFIXES", "check_series", "find_pictures", "is_picture", "is_pictures", "iter_pictures",
    "name_test", "natural_key", "tabulate_pictures",
]  # fmt: skip

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

# Not Image.open, which ultralytics replaces: for what is no picture its own would install a package.
_KINDS = (JpegImageFile, PngImageFile, BmpImageFile, WebPImageFile, TiffImageFile)
_NUMBER = re.compile(r"%(0\d+)?d")
_DIGITS = re.compile(r"(\d+)")
_NAMED = 3  # series that a message writes out
_FEW = 0.1  # share of wider steps that still counts as gaps


def is_pictures(path: Path) -> bool:
    """Whether a path stands for single pictures: a folder, or a name with one `%d` or `%05d`."""
    return path.is_dir() or (len(_NUMBER.findall(path.name)) == 1 and not path.is_file())


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people count: `2.jpg` before `10.jpg`."""
    return [(int(part) if part.isdecimal() else -1, part) for part in _DIGITS.split(name)]


def find_pictures(path: Path) -> tuple[Path, ...]:
    """Return the pictures that a path stands for, in their order.

    Args:
        path: a folder, of which every picture counts, or a pattern.

    Raises:
        HeatpoolError: if there are none, or names of a folder differ in more than their numbers: the order
            of two series in one folder is nobody's guess.
    """
    folder = path if path.is_dir() else path.parent
    try:
        about = folder.stat()
    except OSError as error:
        raise HeatpoolError(f"expected pictures, {folder} does not exist") from error
    return _find_pictures(path, about.st_mtime_ns)


@lru_cache(maxsize=8)  # windows of one folder follow each other
def _find_pictures(path: Path, changed_ns: int) -> tuple[Path, ...]:
    folder, fits = (path, is_picture) if path.is_dir() else (path.parent, name_test(path.name))
    names = sorted((name for name in os.listdir(folder) if fits(name)), key=natural_key)
    if not names:
        raise HeatpoolError(f"expected pictures ({' '.join(sorted(PICTURE_SUFFIXES))}), got none in {path}")
    check_series(names, path)
    return tuple(folder / name for name in names)


def check_series(names: Iterable[str], folder: Path) -> None:
    """Refuse pictures of a folder whose names differ by more than numbers.

    Raises:
        HeatpoolError: if they do.
    """
    series = list(dict.fromkeys(_DIGITS.sub("*", name) for name in names))
    if len(series) > 1:
        named = ", ".join(series[:_NAMED]) + (", …" if len(series) > _NAMED else "")
        raise HeatpoolError(
            f"expected pictures of one series in {folder}, whose names differ by number alone, got {named}; "
            "name one by a pattern such as img_%05d.jpg (manifest: --frames)"
        )


def is_picture(name: str) -> bool:
    """Whether a file is a picture, by its name."""
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES and not name.startswith(".")


def name_test(pattern: str) -> Callable[[str], object]:
    """Return a test for the names that printf would make of a pattern with one number.

    Raises:
        HeatpoolError: if it has none, or several.
    """
    parts = _NUMBER.split(pattern)
    if len(parts) != 3:
        raise HeatpoolError(f"expected a pattern with one number, such as img_%05d.jpg, got {pattern!r}")
    before, width, after = parts
    digits = rf"\d{{{int(width)},}}" if width else r"\d+"
    return re.compile(re.escape(before) + digits + re.escape(after)).fullmatch


def tabulate_pictures(path: Path, *, fps: float) -> PacketTable:
    """Say of pictures what packets say of a video; they are shown at an even rate.

    Args:
        path: a folder, or a pattern.
        fps: pictures per second.

    Raises:
        HeatpoolError: if there is no rate, there are no pictures, or the first one cannot be read.
    """
    if not fps > 0:
        raise HeatpoolError(
            f"expected frames per second for the pictures of {path.name}, which have no times: heatpool "
            "manifest --fps, or a column fps of the manifest"
        )
    pictures = find_pictures(path)
    with _opened(pictures[0]) as first:
        size = first.size
    return PacketTable(0, float(fps), size, np.arange(len(pictures)) / fps, _gap(pictures), [])


def _gap(pictures: Sequence[Path]) -> str:
    """Say where pictures are missing: a few steps between their numbers that are wider than the usual one."""
    fields = np.array([[int(part) for part in _DIGITS.findall(each.stem)] for each in pictures], object)
    varying = [column for column in fields.T if len(set(column)) > 1]
    if len(varying) != 1:  # such as dates and times
        return ""
    steps = np.diff(varying[0])
    wide = np.flatnonzero(steps > sorted(steps)[len(steps) // 2])
    if not 0 < len(wide) <= _FEW * len(steps):  # many: somebody thinned them out
        return ""
    before, after = pictures[wide[0]].name, pictures[wide[0] + 1].name
    gaps = f"{len(wide)} gap{'s' * (len(wide) > 1)}"
    return f"pictures are missing: {gaps} in their numbers, the first from {before} to {after}"


def iter_pictures(path: Path, wanted: np.ndarray, *, first: int) -> Iterator[tuple[int, np.ndarray, bool]]:
    """Read the wanted pictures of a window, and no others.

    Args:
        path: a folder, or a pattern.
        wanted: sorted numbers within the window.
        first: number of the window's first picture.

    Yields:
        Number within the window; (H, W, 3) uint8 RGB, upright, of the size of the first wanted one; whether
        it was scaled to that.

    Raises:
        HeatpoolError: if a picture cannot be read.
    """
    pictures, size = find_pictures(path), None
    for number in wanted.tolist():
        upright = _read_picture(pictures[first + number])
        size = size or upright.size
        scaled = upright.size != size
        yield number, np.array(upright.resize(size) if scaled else upright, np.uint8), scaled


def _read_picture(path: Path) -> Image.Image:
    with _opened(path) as picture:
        try:
            return ImageOps.exif_transpose(picture).convert("RGB")
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow's decoders raise on damage
            raise _unreadable(path, error) from error


def _opened(path: Path) -> ImageFile.ImageFile:
    """Open a picture of 8 bits a channel and a bounded size; its pixels are not read yet."""
    picture = None
    for kind in _KINDS:  # by its content: suffixes lie
        try:
            picture = kind(path)
            break
        except SyntaxError:
            continue  # of another kind
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
    if picture is None:
        raise HeatpoolError(
            f"expected a picture, {path.name} is none of {', '.join(sorted(PICTURE_SUFFIXES))}"
        )
    if picture.width * picture.height > MOST_PIXELS or picture.mode.startswith(("I", "F")):
        raise HeatpoolError(
            f"expected pictures of 8 bits a channel and at most 8192 x 4096 pixels, {path.name} has "
            f"{picture.width} x {picture.height} in mode {picture.mode}"
        )
    return picture


def _unreadable(path: Path, error: Exception) -> HeatpoolError:
    return HeatpoolError(f"expected a picture, cannot read {path.name}: {str(error).splitlines()[0]}")
