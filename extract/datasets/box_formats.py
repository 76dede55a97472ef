"""What kind of file of boxes a path is, and the reader for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from heatpool.extract.datasets.box_columns import BoxLayout
from heatpool.extract.datasets.box_lines import count_numbers, read_mot, read_yolo
from heatpool.extract.datasets.box_rows import BoxTable
from heatpool.extract.datasets.box_table import read_box_table
from heatpool.extract.datasets.coco_boxes import read_coco_boxes
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.detect import find_format

__all__ = ["BoxReading", "find_kind", "read_box_file"]

BoxKind = Literal["table", "mot", "yolo", "coco", "keypoints"]

_LOOKED_AT = 100  # files of a folder
_LOOKED_INTO = 4096  # characters of a file
_TEXT_SUFFIXES = (".csv", ".tsv", ".txt", "")


@dataclass(frozen=True)
class BoxReading:
    """What is said of a file of boxes beside itself.

    Attributes:
        layout: what the four numbers of a box are; None = as it says itself.
        kind: class that counts, by its name or number; None = persons.
        first_frame: number that it gives the first frame of a video; None = as is usual for its kind.
    """

    layout: BoxLayout | None = None
    kind: str | None = None
    first_frame: int | None = None


def find_kind(path: Path) -> BoxKind:
    """Return what a file or folder of boxes is, by its name and how it begins.

    Raises:
        HeatpoolError: if there is none, or a folder holds nothing that is known.
    """
    if path.is_dir():
        return _kind_of_folder(path)
    suffix = path.suffix.lower()
    if suffix == ".json":
        has_joints = re.search("keypoint|landmark", _start(path), re.IGNORECASE)
        return "keypoints" if has_joints and find_format(path) not in ("coco", None) else "coco"
    if suffix not in _TEXT_SUFFIXES and find_format(path) is not None:
        return "keypoints"
    if suffix == ".csv" and path.is_file() and find_format(path) == "deeplabcut":
        return "keypoints"
    return "mot" if count_numbers(_first_line(path)) >= 6 else "table"


def _kind_of_folder(path: Path) -> BoxKind:
    texts = islice((each for each in sorted(path.rglob("*.txt")) if each.is_file()), _LOOKED_AT)
    for line in filter(None, map(_first_line, texts)):
        count = count_numbers(line)
        if count >= 6 and "," in line:
            return "mot"
        if 5 <= count <= 7:
            return "yolo"
    if find_format(path) is not None:
        return "keypoints"
    raise HeatpoolError(
        f"expected boxes in the folder {path}: VIDEO.txt or VIDEO/gt/gt.txt of MOT, VIDEO_FRAME.txt of YOLO, "
        "or keypoints; got none of these"
    )


def _start(path: Path) -> str:
    """Return how a file begins, "" if it is no text."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            return file.read(_LOOKED_INTO)
    except UnicodeError:
        return ""
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror or error}") from error


def _first_line(path: Path) -> str:
    """Return the first line with anything in it, "" if there is none or the file is no text."""
    return next((line for line in _start(path).splitlines() if line.strip()), "")


def read_box_file(path: Path, kind: BoxKind, said: BoxReading, *, wanted: Callable[[str], bool]) -> BoxTable:
    """Read the boxes of a file of a kind but keypoints.

    Args:
        path: file or folder.
        kind: as `find_kind` says.
        said: what is said of it.
        wanted: whether boxes of a video of this name are; others take no memory.

    Raises:
        HeatpoolError: if it is not as it must be.
    """
    layout, first = said.layout, said.first_frame
    if kind == "mot":
        return read_mot(
            path, wanted=wanted, layout=layout, kind=said.kind, first_frame=1 if first is None else first
        )
    if kind == "yolo":
        return read_yolo(
            path, wanted=wanted, layout=layout, kind=said.kind, first_frame=1 if first is None else first
        )
    if kind == "coco":
        return read_coco_boxes(path, wanted=wanted, layout=layout, kind=said.kind, first_frame=first)
    return read_box_table(path, wanted=wanted, layout=layout, kind=said.kind, first_frame=first or 0)
