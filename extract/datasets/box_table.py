"""A table of boxes as numbers, read in pieces; rows that hold no box are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_columns import BoxColumns, find_columns
from heatpool.extract.datasets.delimited import Rows, open_table
from heatpool.pool.errors import HeatpoolError

__all__ = ["BoxTable", "Fault", "read_box_table"]

_CHUNK = 1 << 16  # rows that are text at a time: bounds memory
_MISSING = frozenset({"", "nan", "na", "n/a", "none", "null"})  # what programs write for no number
_REVERSED_SHARE = 0.1  # of boxes that end before they begin: columns of another meaning, no slips
_PERSONS = frozenset({"person", "persons", "people", "human", "pedestrian"})


@dataclass(eq=False)
class Fault:
    """How many rows have a fault, and the first line of it."""

    rows: int = 0
    line: int = 0

    def add(self, where: np.ndarray, lines: np.ndarray) -> None:
        """Count the rows where `where` (n,) is true; `lines` (n,) are their lines."""
        if where.any():
            self.line = self.line or int(lines[where.argmax()])
            self.rows += int(where.sum())


@dataclass(eq=False)
class BoxTable:
    """Boxes of R rows, in the order of the table, and what was met in the others.

    Attributes:
        columns: what its columns mean.
        names: paths that stand there, as far as they are wanted.
        first_name: the table's first path, "" without any row.
        name: (R,) int32 place in `names`.
        frame: (R,) int64 number in the video, from 0.
        box_xyxy_px: (R, 4) float32, x1 < x2 and y1 < y2.
        score: (R,) float32 in [0, 1].
        elsewhere: rows of paths that are not wanted.
        empty: rows that only say that a frame was looked at.
        unread: rows with a number that is missing or infinite.
        sizeless: boxes of no or negative size.
        others: boxes of what is no person, where the table says which are persons.
        kinds: what boxes are of, where it does not.
    """

    columns: BoxColumns
    names: list[str] = field(default_factory=list)
    first_name: str = ""
    name: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    box_xyxy_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    score: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    elsewhere: int = 0
    empty: int = 0
    unread: Fault = field(default_factory=Fault)
    sizeless: Fault = field(default_factory=Fault)
    others: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(eq=False)
class _Chunk:
    """Some rows as text."""

    lines: list[int] = field(default_factory=list)
    names: list[int] = field(default_factory=list)
    rows: list[dict[str, str]] = field(default_factory=list)

    def column(self, name: str, where: str) -> np.ndarray:
        """(n,) float64 of a column, NaN where there is no number.

        Raises:
            HeatpoolError: if something else stands there, naming its line.
        """
        texts = [row[name] for row in self.rows]
        try:
            return np.array(list(map(float, texts)))
        except ValueError:
            return np.array([_number(*each, name, where) for each in zip(texts, self.lines, strict=True)])


def read_box_table(path: Path, *, wanted: Callable[[str], bool]) -> BoxTable:
    """Read a table of boxes.

    Args:
        path: CSV, or between semicolons or tabs.
        wanted: whether rows of this path are; the others take no memory.

    Raises:
        HeatpoolError: if it cannot be read, a column is missing, a value is no number or a score is outside
            [0, 1], or boxes are written in another way; naming the line.
    """
    with open_table(path) as (header, rows):
        table, kinds = BoxTable(find_columns(header, str(path))), dict[str, int]()
        parts = [_parse(chunk, table, kinds, path.name) for chunk in _chunks(rows, table, wanted)]
    if parts:
        name, frame, box, score, kind = (np.concatenate(each) for each in zip(*parts, strict=True))
        kept = _keep_persons(kind, table, kinds)
        table.name, table.frame, table.box_xyxy_px, table.score = (
            each[kept] for each in (name, frame, box, score)
        )
    boxes = len(table.frame) + table.sizeless.rows
    if table.sizeless.rows > _REVERSED_SHARE * boxes and not table.columns.sized:
        raise HeatpoolError(
            f"expected x1 < x2 and y1 < y2 in {path}, got others in {table.sizeless.rows} of {boxes} boxes, "
            f"the first in line {table.sizeless.line}; if they are x, y, width, height, name these columns left, "
            "top, width, height"
        )
    return table


def _chunks(rows: Rows, table: BoxTable, wanted: Callable[[str], bool]) -> Iterator[_Chunk]:
    """Yield the rows that are wanted, some at a time."""
    place: dict[str, int] = {}  # of a name, -1 for one that is not wanted
    column, chunk = table.columns.path, _Chunk()
    for line, row in rows:
        name = row[column]
        number = place.get(name)
        if number is None:
            table.first_name = table.first_name or name
            number = place[name] = len(table.names) if wanted(name) else -1
            table.names += [name] if number >= 0 else []
        if number < 0:
            table.elsewhere += 1
            continue
        chunk.lines.append(line)
        chunk.names.append(number)
        chunk.rows.append(row)
        if len(chunk.rows) == _CHUNK:
            yield chunk
            chunk = _Chunk()
    if chunk.rows:
        yield chunk


def _parse(chunk: _Chunk, table: BoxTable, kinds: dict[str, int], source: str) -> tuple[np.ndarray, ...]:
    """Return name, frame, box, score and kind of the rows that hold a box; count the others in `table`."""
    columns, lines = table.columns, np.array(chunk.lines)
    frame = chunk.column(columns.frame, source)
    box = np.stack([chunk.column(name, source) for name in columns.box], 1)
    score = chunk.column(columns.score, source) if columns.score else np.ones(len(lines))
    if columns.sized:
        box[:, 2:] += box[:, :2]
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and counted
        box = box.astype(np.float32)
    blank = np.array([not any(row[name].strip() for name in columns.box) for row in chunk.rows])
    known = np.isfinite(box).all(1) & ~np.isnan(score)
    sized = (box[:, 2:] > box[:, :2]).all(1)
    whole = (frame >= 0) & (frame < 1 << 31) & (frame % 1 == 0)
    _refuse(~whole, chunk, columns.frame, "a frame number, from 0", source)
    _refuse(known & ~((score >= 0) & (score <= 1)), chunk, columns.score or "", "a score from 0 to 1", source)
    table.empty += int(blank.sum())
    table.unread.add(~known & ~blank, lines)
    table.sizeless.add(known & ~sized, lines)
    kept = np.flatnonzero(known & sized)
    said = [row[columns.kind].strip() if columns.kind else "" for row in chunk.rows]
    kind = np.array([kinds.setdefault(each, len(kinds)) for each in said], np.int32)
    values = np.array(chunk.names, np.int32), frame.astype(np.int64), box, score.astype(np.float32)
    return *(each[kept] for each in values), kind[kept]


def _keep_persons(kind: np.ndarray, table: BoxTable, kinds: dict[str, int]) -> np.ndarray:
    """Return the rows of persons, where the table says which they are; all where it does not."""
    persons = [number for name, number in kinds.items() if name.casefold() in _PERSONS]
    if not persons:
        table.kinds = tuple(kinds)
        return np.arange(len(kind))
    kept = np.flatnonzero(np.isin(kind, persons))
    table.others = len(kind) - len(kept)
    return kept


def _refuse(where: np.ndarray, chunk: _Chunk, column: str, expected: str, source: str) -> None:
    if where.any():
        at = int(where.argmax())
        raise HeatpoolError(
            f"expected {expected}, got {chunk.rows[at][column]!r} in line {chunk.lines[at]} of {source}"
        )


def _number(text: str, line: int, column: str, source: str) -> float:
    try:
        return float("nan" if text.strip().casefold() in _MISSING else text)
    except ValueError:
        raise HeatpoolError(
            f"expected a number in column {column}, got {text[:40]!r} in line {line} of {source}"
        ) from None
