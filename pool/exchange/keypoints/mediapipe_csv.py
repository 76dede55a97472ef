"""MediaPipe's landmarks in tables.

A row is a frame, with columns such as `x0`, `nose_x` or `LEFT_HIP.visibility`; or a row is a landmark, with
columns such as `frame`, `landmark`, `x`, `y`, `z`, `visibility`.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence, Sized
from pathlib import Path

import numpy as np

from heatpool.pool.disk.text_files import text_encoding
from heatpool.pool.errors import shorten
from heatpool.pool.exchange.keypoints.landmarks import FRAME_KEYS, LANDMARK_NAMES, Landmarks, as_landmark_name

__all__ = ["csv_landmarks"]

_JOINTS = len(LANDMARK_NAMES)
_AXES = {"x": 0, "y": 1, "z": 2, "v": 3, "vis": 3, "visibility": 3}
_AXIS = "x|y|z|v|vis|visibility"
_WIDE = (
    re.compile(rf"(?P<axis>{_AXIS})[_ ]?(?P<joint>\d+)"),
    re.compile(rf"(?:pose_?|landmark_?|lm_?)*(?P<joint>\d+|[a-z_]+?)[_. ]?(?P<axis>{_AXIS})"),
)
_MOST_PERSONS = 1 << 20  # half a GiB in memory
_PERSON_COLUMNS = ("person", "person_id", "pose", "pose_id", "pose_index")
_LANDMARK_COLUMNS = (
    "landmark",
    "landmark_id",
    "landmark_index",
    "landmark_name",
    "joint",
    "id",
    "name",
    "index",
)


def csv_landmarks(path: Path) -> Landmarks:
    """Read landmarks of a table, in a row a frame or a row a landmark.

    Raises:
        HeatpoolError: if it is no text.
        ValueError: if it has no columns of landmarks, or something else than numbers in them.
    """
    with path.open(encoding=text_encoding(path), newline="") as file:
        first = file.readline()
        file.seek(0)
        delimiter = max(",;\t", key=first.count)
        rows = (row for row in csv.reader(file, delimiter=delimiter) if any(row))
        try:
            header = [cell.strip() for cell in next(rows, [])]
            wide = _wide_columns(header)
            if wide:
                return _of_rows(rows, header, wide, comma=delimiter == ";")
            return _of_landmark_rows(rows, header, comma=delimiter == ";")
        except (csv.Error, UnicodeError, OverflowError) as error:
            raise ValueError(f"cannot be read as a table ({error})") from error


def _wide_columns(header: Sequence[str]) -> dict[tuple[int, int], int]:
    """Column of each (landmark, axis); empty if not all landmarks have x and y."""
    found: dict[tuple[str, int], int] = {}
    for place, cell in enumerate(header):
        match = next(filter(None, (form.fullmatch(cell.lower()) for form in _WIDE)), None)
        if match and (match["joint"].isdecimal() or match["joint"] in LANDMARK_NAMES):
            found.setdefault((match["joint"], _AXES[match["axis"]]), place)
    numbers = {int(joint) for joint, _ in found if joint.isdecimal()}
    first = 1 if numbers and min(numbers) == 1 else 0
    columns = {
        (int(joint) - first if joint.isdecimal() else LANDMARK_NAMES.index(joint), axis): place
        for (joint, axis), place in found.items()
    }
    complete = all((joint, axis) in columns for joint in range(_JOINTS) for axis in (0, 1))
    return {at: place for at, place in columns.items() if at[0] < _JOINTS} if complete else {}


def _of_rows(
    rows: Iterator[list[str]], header: Sequence[str], columns: Mapping[tuple[int, int], int], *, comma: bool
) -> Landmarks:
    at = _find(header, FRAME_KEYS)
    joints, axes = np.array(list(columns)).T
    places = list(columns.values())
    frames: list[int] = []
    values: list[np.ndarray] = []
    for number, row in enumerate(rows):
        _check_count(values)
        made = np.zeros((_JOINTS, 4), np.float32)
        made[:, 3] = 1
        made[joints, axes] = [_number(row, place, comma=comma) for place in places]
        values.append(made)
        frames.append(number if at is None else int(_number(row, at, comma=comma)))
    return _from_zero(frames, np.array(values, np.float32).reshape(-1, _JOINTS, 4))


def _of_landmark_rows(rows: Iterator[list[str]], header: Sequence[str], *, comma: bool) -> Landmarks:
    frame_at, landmark_at, person_at = (
        _find(header, names) for names in (FRAME_KEYS, _LANDMARK_COLUMNS, _PERSON_COLUMNS)
    )
    axes = {axis: place for place, cell in enumerate(header) if (axis := _AXES.get(cell.lower())) is not None}
    if frame_at is None or landmark_at is None or not {0, 1} <= set(axes):
        raise ValueError(
            "expected columns of 33 landmarks such as nose_x or x0, or frame, landmark, x, y, got "
            f"{shorten(', '.join(header))}"
        )
    persons: dict[tuple[int, str], np.ndarray] = {}
    for row in rows:
        key = int(_number(row, frame_at, comma=comma)), _cell(row, person_at)
        if key not in persons:
            _check_count(persons)
            persons[key] = np.full((_JOINTS, 4), (np.nan, np.nan, 0, 1), np.float32)
        joint = _joint(_cell(row, landmark_at))
        for axis, place in axes.items():
            persons[key][joint, axis] = _number(row, place, comma=comma)
    values = np.array(list(persons.values()), np.float32).reshape(-1, _JOINTS, 4)
    return _from_zero([frame for frame, _ in persons], values)


def _from_zero(frames: Sequence[int], values: np.ndarray) -> Landmarks:
    first = 1 if min(frames, default=0) == 1 else 0
    return Landmarks.of(
        np.array(frames, np.int64) - first, values, frames=max(frames, default=-1) + 1 - first
    )


def _find(header: Sequence[str], names: Sequence[str]) -> int | None:
    lower = [cell.lower() for cell in header]
    return next((lower.index(name) for name in names if name in lower), None)


def _check_count(persons: Sized) -> None:
    if len(persons) >= _MOST_PERSONS:
        raise ValueError(f"expected at most {_MOST_PERSONS:,} persons in all frames, got more")


def _cell(row: Sequence[str], place: int | None) -> str:
    """What stands in a cell, nothing where the row or the table is too short."""
    return row[place] if place is not None and place < len(row) else ""


def _joint(text: str) -> int:
    name = text.strip()
    number = (
        int(name) if name.isdecimal() else LANDMARK_NAMES.index(as_landmark_name(name.rpartition(".")[2]))
    )
    if number >= _JOINTS:
        raise ValueError(f"expected landmarks 0 to {_JOINTS - 1}, got {shorten(text)}")
    return number


def _number(row: Sequence[str], place: int, *, comma: bool) -> float:
    """The number in a cell, NaN of an empty one."""
    text = _cell(row, place).strip()
    return float(text.replace(",", ".") if comma else text) if text else float("nan")
