"""A table of boxes as numbers, read in pieces; rows that hold no box are counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_columns import NUMBER_COLUMNS, BoxColumns, find_columns
from heatpool.extract.datasets.delimited import Rows, open_table
from heatpool.pool.errors import HeatpoolError

__all__ = ["BoxTable", "Fault", "read_box_table"]

_CHUNK = 1 << 14  # rows that are text at a time: bounds memory
_MISSING = frozenset({"", "nan", "na", "n/a", "none", "null"})  # what programs write for no number
_MOST_SCORE = 1.001  # sums of single precision round
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
        reversed: those of negative size among them.
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
    reversed: Fault = field(default_factory=Fault)
    others: int = 0
    kinds: tuple[str, ...] = ()


class _Chunk:
    """Some rows as text.

    Args:
        rows: line, number of the name, and the values of `columns` of each.
        columns: names.
        source: name of the table.
    """

    def __init__(
        self, rows: Sequence[tuple[int, int, tuple[str, ...]]], columns: Sequence[str], source: str
    ) -> None:
        lines, names, values = zip(*rows, strict=True)
        self.lines, self.names = np.array(lines), np.array(names, np.int32)
        self._texts = dict(zip(columns, zip(*values, strict=True), strict=True))
        self._source = source

    def texts(self, column: str) -> tuple[str, ...]:
        """Return the values of a column as they are."""
        return self._texts[column]

    def numbers(self, column: str) -> np.ndarray:
        """Return the values of a column, (n,) float64, NaN where there is none.

        Raises:
            HeatpoolError: if something else stands there, naming its line.
        """
        texts = self._texts[column]
        try:
            return np.array(list(map(float, texts)))
        except ValueError:
            return np.array([self._number(at, column) for at in range(len(texts))])

    def _number(self, at: int, column: str) -> float:
        text = self._texts[column][at]
        try:
            return float("nan" if text.strip().casefold() in _MISSING else text)
        except ValueError:
            raise HeatpoolError(
                f"expected a number in column {column}, got {text[:40]!r} in line {self.lines[at]} of "
                f"{self._source}"
            ) from None

    def refuse(self, where: np.ndarray, column: str, expected: str) -> None:
        """Raise HeatpoolError if `where` (n,) is true anywhere."""
        if where.any():
            at = int(where.argmax())
            raise HeatpoolError(
                f"expected {expected}, got {self._texts[column][at]!r} in line {self.lines[at]} of "
                f"{self._source}"
            )


def read_box_table(path: Path, *, wanted: Callable[[str], bool]) -> BoxTable:
    """Read a table of boxes.

    Args:
        path: CSV, or between semicolons or tabs.
        wanted: whether rows of this path are; the others take no memory.

    Raises:
        HeatpoolError: if it cannot be read, a column is missing, a value is no number or a score is outside
            [0, 1], or boxes are written in another way; naming the line.
    """
    with open_table(path, numbers=NUMBER_COLUMNS) as (header, rows):
        table, kinds = BoxTable(find_columns(header, str(path))), dict[str, int]()
        parts = [_parse(chunk, table, kinds) for chunk in _chunks(rows, table, wanted, path.name)]
    if parts:
        name, frame, box, score, kind = (np.concatenate(each) for each in zip(*parts, strict=True))
        kept = _keep_persons(kind, table, kinds)
        table.name, table.frame, table.box_xyxy_px, table.score = (
            each[kept] for each in (name, frame, box, score)
        )
    boxes = len(table.frame) + table.sizeless.rows
    if table.reversed.rows > _REVERSED_SHARE * boxes and not table.columns.sized:
        raise HeatpoolError(
            f"expected x1 < x2 and y1 < y2 in {path}, got others in {table.reversed.rows} of {boxes} boxes, "
            f"the first in line {table.reversed.line}; if they are x, y, width, height, name these columns "
            "left, top, width, height"
        )
    return table


def _chunks(rows: Rows, table: BoxTable, wanted: Callable[[str], bool], source: str) -> Iterator[_Chunk]:
    """Yield the rows that are wanted, some at a time."""
    place: dict[str, int] = {}  # of a name, -1 for one that is not wanted
    path, columns = table.columns.path, table.columns.read
    values = itemgetter(*columns)
    held: list[tuple[int, int, tuple[str, ...]]] = []
    for line, row in rows:
        name = row[path]
        number = place.get(name)
        if number is None:
            table.first_name = table.first_name or name
            number = place[name] = len(table.names) if wanted(name) else -1
            table.names += [name] if number >= 0 else []
        if number < 0:
            table.elsewhere += 1
            continue
        held.append((line, number, values(row)))
        if len(held) == _CHUNK:
            yield _Chunk(held, columns, source)
            held = []
    if held:
        yield _Chunk(held, columns, source)


def _parse(chunk: _Chunk, table: BoxTable, kinds: dict[str, int]) -> tuple[np.ndarray, ...]:
    """Return name, frame, box, score and kind of the rows that hold a box; count the others in `table`."""
    columns, lines = table.columns, chunk.lines
    frame = chunk.numbers(columns.frame)
    box = np.stack([chunk.numbers(name) for name in columns.box], 1)
    score = chunk.numbers(columns.score) if columns.score else np.ones(len(lines))
    if columns.sized:
        box[:, 2:] += box[:, :2]
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and counted
        box = box.astype(np.float32)
    known = np.isfinite(box).all(1) & ~np.isnan(score)
    sized = (box[:, 2:] > box[:, :2]).all(1)
    chunk.refuse(
        ~((frame >= 0) & (frame < 1 << 31) & (frame % 1 == 0)), columns.frame, "a frame number, from 0"
    )
    if columns.score:
        chunk.refuse(known & ~((score >= 0) & (score <= _MOST_SCORE)), columns.score, "a score from 0 to 1")
        score = np.minimum(score, 1)
    blank = _blank(chunk, columns.box) if not known.all() else ~known
    table.empty += int(blank.sum())
    table.unread.add(~known & ~blank, lines)
    table.sizeless.add(known & ~sized, lines)
    table.reversed.add(known & (box[:, 2:] < box[:, :2]).any(1), lines)
    kind = np.zeros(len(lines), np.int32)
    if columns.kind:
        kind[:] = [kinds.setdefault(each.strip(), len(kinds)) for each in chunk.texts(columns.kind)]
    kept = np.flatnonzero(known & sized)
    values = chunk.names, frame.astype(np.int64), box, score.astype(np.float32), kind
    return tuple(each[kept] for each in values)


def _blank(chunk: _Chunk, columns: Sequence[str]) -> np.ndarray:
    """(n,) whether a row has nothing in these columns."""
    texts = zip(*(chunk.texts(name) for name in columns), strict=True)
    return np.array([not "".join(row).strip() for row in texts])


def _keep_persons(kind: np.ndarray, table: BoxTable, kinds: dict[str, int]) -> np.ndarray:
    """Return the rows of persons, where the table says which they are; all where it does not."""
    persons = [number for name, number in kinds.items() if name.casefold() in _PERSONS]
    if not persons:
        table.kinds = tuple(kinds)
        return np.arange(len(kind))
    kept = np.flatnonzero(np.isin(kind, persons))
    table.others = len(kind) - len(kept)
    return kept
