"""Reading videos that lie as single pictures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from heatpool.extract.video.container import MOST_PIXELS
from heatpool.extract.video.packets import PacketTable
from heatpool.extract.video.picture_names import DIGITS, PICTURE_SUFFIXES, find_pictures
from heatpool.pool.errors import HeatpoolError

__all__ = ["iter_pictures", "tabulate_pictures"]

# Not Image.open, which ultralytics replaces: for what is no picture its own would install a package.
_KINDS = (JpegImageFile, PngImageFile, BmpImageFile, WebPImageFile, TiffImageFile)
_FEW = 0.1  # share of wider steps that still counts as gaps


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
            f"expected frames per second for the pictures of {path.name}, which have no times: --fps, or a "
            "column fps of the manifest"
        )
    pictures = find_pictures(path)
    with _opened(pictures[0]) as first:
        size = first.size
    return PacketTable(0, float(fps), size, np.arange(len(pictures)) / fps, _gap(pictures), [])


def _gap(pictures: Sequence[Path]) -> str:
    """Say where pictures are missing: a few steps between their numbers that are wider than the usual one."""
    fields = np.array([[int(part) for part in DIGITS.findall(each.stem)] for each in pictures], object)
    varying = [column for column in fields.T if len(set(column)) > 1]
    if len(varying) != 1:  # such as dates and times
        return ""
    steps = np.diff(varying[0])
    wide = np.flatnonzero(steps > sorted(steps)[len(steps) // 2])
    if not 0 < len(wide) <= max(_FEW * len(steps), 1):  # many: somebody thinned them out
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
        if kind is WebPImageFile and not _is_webp(path):
            continue  # older Pillow calls every other file a damaged one
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


def _is_webp(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"WEBP"


def _unreadable(path: Path, error: Exception) -> HeatpoolError:
    return HeatpoolError(f"expected a picture, cannot read {path.name}: {str(error).splitlines()[0]}")
