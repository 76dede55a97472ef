"""Which pictures are the frames of a video: a folder of them, or a pattern such as `frames/img_%05d.jpg`.

By names alone, and without a decoder: manifests are listed and read by programs that see no frame.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from heatpool.pool.errors import HeatpoolError

__all__ = [
    "DIGITS", "PICTURE_SUFFIXES", "check_series", "find_pictures", "is_one_video", "is_picture",
    "is_pictures", "name_of_pictures", "name_test", "natural_key",
]  # fmt: skip

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"})

DIGITS = re.compile(r"(\d+)")
"""A number in a name."""

_NUMBER = re.compile(r"%(0\d+)?d")
_NAMED = 3  # series that a message writes out


def is_pictures(path: Path) -> bool:
    """Whether a path stands for single pictures: a folder, or a name with one `%d` or `%05d`."""
    return path.is_dir() or (len(_NUMBER.findall(path.name)) == 1 and not path.is_file())


def is_one_video(path: Path) -> bool:
    """Whether a path is the pictures of one video: a pattern, or a folder of pictures and no folders."""
    if not path.is_dir():
        return is_pictures(path)
    with os.scandir(path) as entries:
        inside = [(each.name, each.is_dir()) for each in entries]
    return any(is_picture(name) for name, _ in inside) and not any(folder for _, folder in inside)


def name_of_pictures(path: Path) -> str:
    """Return what a video that is pictures is called: as their folder."""
    return (path if path.is_dir() else path.parent).absolute().name


def natural_key(name: str) -> list[tuple[int, str]]:
    """Return a key that sorts names as people count: `2.jpg` before `10.jpg`."""
    return [(int(part) if part.isdecimal() else -1, part) for part in DIGITS.split(name)]


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
    series = list(dict.fromkeys(DIGITS.sub("*", name) for name in names))
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
