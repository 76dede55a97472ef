"""Which columns of a table of boxes say what: the names that detectors and annotation tools write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heatpool.extract.datasets.delimited import show_header
from heatpool.pool.errors import HeatpoolError

__all__ = ["NUMBER_COLUMNS", "BoxColumns", "find_columns"]

# Only names that can mean one thing: x and y alone are the corner in one program, the centre in another.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "path": (
        "path", "video", "video_path", "video_name", "video_id", "file", "filename", "file_name", "filepath",
        "clip", "clip_id",
    ),
    "frame": (
        "frame", "frame_number", "frame_index", "frame_idx", "frame_id", "frame_no", "frame_num", "frame_nr",
    ),
    "x1": ("x1", "xmin", "x_min", "left", "bb_left", "xtl"),
    "y1": ("y1", "ymin", "y_min", "top", "bb_top", "ytl"),
    "x2": ("x2", "xmax", "x_max", "right", "xbr"),
    "y2": ("y2", "ymax", "y_max", "bottom", "ybr"),
    "width": ("width", "w", "bb_width", "box_width"),
    "height": ("height", "h", "bb_height", "box_height"),
    "score": ("score", "conf", "confidence", "prob", "probability"),
    "class": ("class_name", "class_label", "class", "class_id", "cls", "category", "label"),
}  # fmt: skip

_CENTRES = frozenset({"cx", "cy", "x_center", "y_center", "xcenter", "ycenter", "center_x", "x_centre", "xc"})

NUMBER_COLUMNS = frozenset(
    name for meaning, names in _NAMES.items() if meaning not in ("path", "class") for name in names
)
"""Columns that hold numbers, in small letters."""


@dataclass(frozen=True)
class BoxColumns:
    """Columns of a table of boxes, as its header writes them.

    Attributes:
        path: the video's.
        frame: the frame's number.
        box: x1, y1 and either x2, y2 or width, height.
        sized: the last two are width and height.
        score: None where there is none.
        kind: what was detected; None where there is no such column.
        read: those above but the path's.
        unread: the others.
    """

    path: str
    frame: str
    box: tuple[str, str, str, str]
    sized: bool
    score: str | None
    kind: str | None
    read: tuple[str, ...]
    unread: tuple[str, ...]


def find_columns(header: Sequence[str], source: str) -> BoxColumns:
    """Find the columns of a table; capitals, spaces and hyphens do not count.

    Raises:
        HeatpoolError: if one is missing, or the header does not say which corner x and y are.
    """
    plain = {name.strip().casefold().replace(" ", "_").replace("-", "_"): name for name in header}
    found = {
        meaning: plain[next(name for name in names if name in plain)]
        for meaning, names in _NAMES.items()
        if any(name in plain for name in names)
    }
    if {"name", "class"} <= set(plain) and found["class"] == plain["class"]:
        found["class"] = plain["name"]  # of YOLOv5's tables: class 0 is called person
    sized = not {"x2", "y2"} <= set(found) and {"width", "height"} <= set(found)
    needed = ("path", "frame", "x1", "y1", *(("width", "height") if sized else ("x2", "y2")))
    missing = [name for name in needed if name not in found]
    if missing:
        why = ""
        if not found and (kind := _kind_of(header)):
            why = f": {kind}; write a table with these columns"
        elif _CENTRES & set(plain):
            why = ": a centre is no corner; name the corners x1, y1, x2, y2 (or x1, y1, width, height)"
        elif {"x", "y"} & set(plain):
            why = ": x and y are a corner or the centre; name the corners x1, y1, x2, y2 (or width, height)"
        raise HeatpoolError(
            f"expected columns path, frame, x1, y1, x2, y2, score in {source}, got {show_header(header)}{why}"
        )
    read = tuple(found[name] for name in (*needed[1:], "score", "class") if name in found)
    return BoxColumns(
        path=found["path"],
        frame=found["frame"],
        box=(found["x1"], found["y1"], found[needed[4]], found[needed[5]]),
        sized=sized,
        score=found.get("score"),
        kind=found.get("class"),
        read=read,
        unread=tuple(name for name in header if name and name not in (found["path"], *read)),
    )


def _kind_of(header: Sequence[str]) -> str:
    """Say what a first line of numbers is of; "" where that is not known."""
    values = header[0].split() if len(header) == 1 else list(header)
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return ""
    if len(header) == 1 and len(numbers) in (5, 6) and max(numbers[1:]) <= 1:
        return "lines of YOLO, without frames and in fractions of the picture"
    return "lines of MOT, without a video, frames counted from 1" if len(numbers) in (6, 7, 9, 10) else ""
