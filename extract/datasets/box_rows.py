"""Boxes out of a file, of whatever kind: rows that hold none are counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from heatpool.extract.datasets.box_columns import BoxLayout
from heatpool.extract.datasets.given_persons import list_some
from heatpool.pool.errors import HeatpoolError

__all__ = ["BoxRows", "BoxTable", "Fault", "as_corners", "fill_table"]

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
        unread_columns: columns that say nothing of boxes.
        has_scores: whether it has scores.
        kind_column: the column that says what boxes are of, "" where there is none.
        unit: what `Fault.line` counts.
        names: paths that stand there, as far as they are wanted.
        first_name: the table's first path, "" without any row.
        name: (R,) int32 place in `names`.
        frame: (R,) int64 number in the video, from 0.
        box_xyxy_px: (R, 4) float32, x1 < x2 and y1 < y2.
        score: (R,) float32 in [0, 1].
        track: (R,) int64 who it is, -1 where that is not said.
        size_px: width and height of the picture that a name's boxes are in, by place of the name; (1, 1) for
            fractions. Where there is none, boxes are pixels of the video.
        elsewhere: rows of paths that are not wanted.
        files_elsewhere: files likewise, which were not opened.
        empty: rows that only say that a frame was looked at.
        unread: rows with a number that is missing or infinite.
        sizeless: boxes of no or negative size.
        reversed: those of negative size among them.
        others: boxes of what is no person, where the table says which are persons.
        kinds: what boxes are of, where it does not.
    """

    unread_columns: tuple[str, ...] = ()
    has_scores: bool = True
    kind_column: str = ""
    unit: str = "line"
    names: list[str] = field(default_factory=list)
    first_name: str = ""
    name: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    frame: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    box_xyxy_px: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    score: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    track: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    size_px: dict[int, tuple[int, int]] = field(default_factory=dict)
    elsewhere: int = 0
    files_elsewhere: int = 0
    empty: int = 0
    unread: Fault = field(default_factory=Fault)
    sizeless: Fault = field(default_factory=Fault)
    reversed: Fault = field(default_factory=Fault)
    others: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class BoxRows:
    """Rows of n boxes as they stand in a file, whatever is wrong with them.

    Attributes:
        lines: (n,) where they stand.
        name: (n,) int32 place in the names of the table.
        frame: (n,) int64 from 0.
        box_xyxy_px: (n, 4) float.
        score: (n,) float, NaN where it is missing.
        kind: (n,) int32, place in the kinds of the table.
        track: (n,) int64, -1 where it is not said.
        blank: (n,) bool, rows that only say that a frame was looked at.
    """

    lines: np.ndarray
    name: np.ndarray
    frame: np.ndarray
    box_xyxy_px: np.ndarray
    score: np.ndarray
    kind: np.ndarray
    track: np.ndarray
    blank: np.ndarray


def fill_table(
    table: BoxTable, parts: Iterable[BoxRows], *, kinds: Mapping[str, int], wanted_kind: str | None
) -> None:
    """Put the rows that hold a box of a person into a table, and count the others there.

    Args:
        table: without boxes.
        parts: rows.
        kinds: what boxes are of, with the number that rows have for it; complete when all parts were taken.
        wanted_kind: what counts; None = persons, where the file says which they are, else all.

    Raises:
        HeatpoolError: if no box is of the wanted kind.
    """
    kept = [_keep_boxes(table, part) for part in parts]
    if kept:
        rows = [np.concatenate(each) for each in zip(*kept, strict=True)]
        at = _keep_persons(rows[4], table, kinds, wanted_kind)
        table.name, table.frame, table.box_xyxy_px, table.score, _, table.track = (each[at] for each in rows)


def _keep_boxes(table: BoxTable, rows: BoxRows) -> tuple[np.ndarray, ...]:
    """Return name, frame, box, score, kind and track of the rows that hold a box; count the others."""
    with np.errstate(over="ignore"):  # what is too large for float32 is infinite, and counted
        box = rows.box_xyxy_px.astype(np.float32)
    known = np.isfinite(box).all(1) & ~np.isnan(rows.score)
    sized = (box[:, 2:] > box[:, :2]).all(1)
    table.empty += int(rows.blank.sum())
    table.unread.add(~known & ~rows.blank, rows.lines)
    table.sizeless.add(known & ~sized, rows.lines)
    table.reversed.add(known & (box[:, 2:] < box[:, :2]).any(1), rows.lines)
    at = np.flatnonzero(known & sized)
    score = np.minimum(rows.score, 1).astype(np.float32)
    return tuple(each[at] for each in (rows.name, rows.frame, box, score, rows.kind, rows.track))


def as_corners(boxes: np.ndarray, layout: BoxLayout) -> np.ndarray:
    """Return boxes (n, 4) of a layout as corners."""
    low, high = boxes[:, :2], boxes[:, 2:]
    if layout == "xywh":
        high = low + high
    elif layout == "centre":
        low, high = low - high / 2, low + high / 2
    return np.concatenate([low, high], 1)


def _keep_persons(
    kind: np.ndarray, table: BoxTable, kinds: Mapping[str, int], wanted: str | None
) -> np.ndarray:
    """Return the rows of the kind that is wanted, of persons where the file says which they are, else all."""
    names = _PERSONS if wanted is None else {wanted.casefold()}
    chosen = [number for name, number in kinds.items() if name.casefold() in names]
    if not chosen:
        if wanted is not None:
            raise HeatpoolError(f"expected boxes of --boxes-class {wanted}, got {list_some(list(kinds))}")
        table.kinds = tuple(kinds)
        return np.arange(len(kind))
    kept = np.flatnonzero(np.isin(kind, chosen))
    table.others = len(kind) - len(kept)
    return kept
