"""A table of boxes as numbers, read in pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from operator import itemgetter
from pathlib import Path

import numpy as np

from heatpool.extract.datasets.box_columns import NUMBER_COLUMNS, BoxColumns, BoxLayout, find_columns
from heatpool.extract.datasets.box_rows import BoxRows, BoxTable, as_corners, fill_table
from heatpool.extract.datasets.delimited import Lines, open_lines
from heatpool.pool.errors import HeatpoolError

__all__ = ["read_box_table"]

_CHUNK = 1 << 14  # rows that are text at a time: bounds memory
_MISSING = frozenset({"", "nan", "na", "n/a", "none", "null"})  # what programs write for no number
_NOBODY = _MISSING | {"-1", "-1.0"}  # and for nobody in particular
_MOST_SCORE = 1.001  # sums of single precision round
_REVERSED_SHARE = 0.1  # of boxes that end before they begin: columns of another meaning, no slips


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


def read_box_table(
    path: Path,
    *,
    wanted: Callable[[str], bool],
    layout: BoxLayout | None = None,
    kind: str | None = None,
    first_frame: int = 0,
) -> BoxTable:
    """Read a table of boxes.

    Args:
        path: CSV, or between semicolons or tabs.
        wanted: whether rows of this path are; the others take no memory.
        layout: what the numbers of a box are; None = what the names of the columns say by themselves.
        kind: value of a column `class` that counts; None = persons.
        first_frame: number that it gives the first frame of a video.

    Raises:
        HeatpoolError: if it cannot be read, a column is missing, a value is no number or a score is outside
            [0, 1], or boxes are written in another way; naming the line.
    """
    with open_lines(path, numbers=NUMBER_COLUMNS) as (header, lines):
        columns = find_columns(header, str(path), layout=layout)
        table = BoxTable(columns.unread, columns.score is not None, columns.kind or "")
        kinds, tracks = dict[str, int](), dict[str, int]()
        place = {name: at for at, name in enumerate(header)}
        ours = _keep_wanted(lines, table, place[columns.path], wanted)
        parts = (
            _parse(chunk, columns, kinds, tracks, first_frame)
            for chunk in _chunks(ours, columns.read, [place[name] for name in columns.read], path.name)
        )
        fill_table(table, parts, kinds=kinds, wanted_kind=kind)
    boxes = len(table.frame) + table.sizeless.rows
    if table.reversed.rows > _REVERSED_SHARE * boxes and columns.layout == "corners":
        raise HeatpoolError(
            f"expected x1 < x2 and y1 < y2 in {path}, got others in {table.reversed.rows} of {boxes} boxes, "
            f"the first in line {table.reversed.line}; if they are x, y, width, height, say --boxes-format "
            "xywh, or centre"
        )
    return table


def _keep_wanted(
    lines: Lines, table: BoxTable, path: int, wanted: Callable[[str], bool]
) -> Iterator[tuple[int, int, list[str]]]:
    """Yield line, number of the name and values of the rows that are wanted; count the others."""
    number_of: dict[str, int] = {}  # of a name, -1 for one that is not wanted
    for line, row in lines:
        name = row[path]
        number = number_of.get(name)
        if number is None:
            table.first_name = table.first_name or name
            number = number_of[name] = len(table.names) if wanted(name) else -1
            table.names += [name] if number >= 0 else []
        if number >= 0:
            yield line, number, row
        else:
            table.elsewhere += 1


def _chunks(
    rows: Iterable[tuple[int, int, list[str]]], columns: Sequence[str], places: Sequence[int], source: str
) -> Iterator[_Chunk]:
    """Yield the values of columns, which stand at `places`, of some rows at a time."""
    values = itemgetter(*places)
    picked = ((line, number, values(row)) for line, number, row in rows)
    while held := list(islice(picked, _CHUNK)):
        yield _Chunk(held, columns, source)


def _parse(
    chunk: _Chunk, columns: BoxColumns, kinds: dict[str, int], tracks: dict[str, int], first_frame: int
) -> BoxRows:
    """Return the rows of a chunk; kinds and tracks are numbered as they come."""
    lines = chunk.lines
    frame = chunk.numbers(columns.frame) - first_frame
    box = as_corners(np.stack([chunk.numbers(name) for name in columns.box], 1), columns.layout)
    score = chunk.numbers(columns.score) if columns.score else np.ones(len(lines))
    known = np.isfinite(box).all(1) & ~np.isnan(score)
    whole = (frame >= 0) & (frame < 1 << 31) & (frame % 1 == 0)
    chunk.refuse(~whole, columns.frame, f"a frame number, from {first_frame}")
    if columns.score:
        chunk.refuse(known & ~((score >= 0) & (score <= _MOST_SCORE)), columns.score, "a score from 0 to 1")
    blank = _blank(chunk, columns.box) if not known.all() else ~known
    kind, track = np.zeros(len(lines), np.int32), np.full(len(lines), -1, np.int64)
    if columns.kind:
        kind[:] = [kinds.setdefault(each.strip(), len(kinds)) for each in chunk.texts(columns.kind)]
    if columns.track:
        track[:] = [
            -1 if each.strip().casefold() in _NOBODY else tracks.setdefault(each.strip(), len(tracks))
            for each in chunk.texts(columns.track)
        ]
    return BoxRows(lines, chunk.names, frame.astype(np.int64), box, score, kind, track, blank)


def _blank(chunk: _Chunk, columns: Sequence[str]) -> np.ndarray:
    """(n,) whether a row has nothing in these columns."""
    texts = zip(*(chunk.texts(name) for name in columns), strict=True)
    return np.array([not "".join(row).strip() for row in texts])
