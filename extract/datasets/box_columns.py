"""Which columns of a table of boxes say what: the names that detectors and annotation tools write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NoReturn

from heatpool.extract.datasets.delimited import show_header
from heatpool.pool.errors import HeatpoolError

__all__ = ["NUMBER_COLUMNS", "BoxColumns", "BoxLayout", "find_columns"]

BoxLayout = Literal["corners", "xywh", "centre"]
"""What the four numbers of a box are: two corners; the left upper one, width and height; or the centre."""

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
    "centre x": ("cx", "x_center", "xcenter", "center_x", "x_centre", "centre_x", "xc"),
    "centre y": ("cy", "y_center", "ycenter", "center_y", "y_centre", "centre_y", "yc"),
    "track": ("track", "track_id", "trackid", "tracking_id", "person_id", "identity", "object_id", "id"),
}  # fmt: skip

_BOXES: Mapping[BoxLayout, tuple[str, str, str, str]] = {
    "corners": ("x1", "y1", "x2", "y2"),
    "xywh": ("x1", "y1", "width", "height"),
    "centre": ("centre x", "centre y", "width", "height"),
}
"""Meanings that make a box, the most telling layout first."""

_ALSO: Mapping[BoxLayout, Mapping[str, tuple[str, ...]]] = {
    "corners": {"x1": ("x",), "y1": ("y",), "x2": ("w", "width"), "y2": ("h", "height")},
    "xywh": {"x1": ("x",), "y1": ("y",), "width": ("x2",), "height": ("y2",)},
    "centre": {
        "centre x": ("x", "x1"), "centre y": ("y", "y1"), "width": ("x2",), "height": ("y2",),
    },
}  # fmt: skip
"""Columns of other names that mean it too, once the layout is said."""

NUMBER_COLUMNS = frozenset(
    name for meaning, names in _NAMES.items() if meaning not in ("path", "class", "track") for name in names
) | {"x", "y"}
"""Columns that hold numbers, in small letters."""


@dataclass(frozen=True)
class BoxColumns:
    """Columns of a table of boxes, as its header writes them.

    Attributes:
        path: the video's.
        frame: the frame's number.
        box: the four numbers of its layout.
        layout: what these are.
        score: None where there is none.
        kind: what was detected; None where there is no such column.
        track: who it is; likewise.
        read: those above but the path's.
        unread: the others.
    """

    path: str
    frame: str
    box: tuple[str, str, str, str]
    layout: BoxLayout
    score: str | None
    kind: str | None
    track: str | None
    read: tuple[str, ...]
    unread: tuple[str, ...]


def find_columns(header: Sequence[str], source: str, *, layout: BoxLayout | None = None) -> BoxColumns:
    """Find the columns of a table; capitals, spaces and hyphens do not count.

    Args:
        header: names of the columns.
        source: of the table, for messages.
        layout: what a box is, so that x and y may be its columns; None = what the names say by themselves.

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
    if layout is not None:
        for meaning, names in _ALSO[layout].items():
            also = next((plain[name] for name in names if name in plain), None)
            found |= {meaning: also} if also and meaning not in found else {}
    told = [each for each, names in _BOXES.items() if set(names) <= set(found)]
    which = layout or (told[0] if told else "corners")
    needed = ("path", "frame", *_BOXES[which])
    missing = [name for name in needed if name not in found]
    if missing:
        _refuse(header, plain, found, source, wanted=needed if layout else ())
    x, y, third, fourth = _BOXES[which]
    read = tuple(found[name] for name in (*needed[1:], "score", "class", "track") if name in found)
    return BoxColumns(
        path=found["path"],
        frame=found["frame"],
        box=(found[x], found[y], found[third], found[fourth]),
        layout=which,
        score=found.get("score"),
        kind=found.get("class"),
        track=found.get("track"),
        read=read,
        unread=tuple(name for name in header if name and name not in (found["path"], *read)),
    )


def _refuse(
    header: Sequence[str],
    plain: Mapping[str, str],
    found: Mapping[str, str],
    source: str,
    *,
    wanted: Sequence[str],
) -> NoReturn:
    """Raise HeatpoolError for a header in which a column is missing."""
    why = ""
    if not found and (kind := _kind_of(header)):
        why = f": {kind}; write a table with these columns"
    elif {"x", "y"} & set(plain) and not wanted:
        why = ": x and y are a corner or the centre; say --boxes-format xywh, corners or centre"
    expected = ", ".join(wanted) or "path, frame, x1, y1, x2, y2, score"
    raise HeatpoolError(f"expected columns {expected} in {source}, got {show_header(header)}{why}")


def _kind_of(header: Sequence[str]) -> str:
    """Say what a first line of numbers is of; "" where that is not known."""
    values = header[0].split() if len(header) == 1 else list(header)
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return ""
    of_yolo = len(header) == 1 and len(numbers) in (5, 6) and max(numbers[1:]) <= 1
    return "lines of YOLO, of which a folder has one file a frame" if of_yolo else ""
