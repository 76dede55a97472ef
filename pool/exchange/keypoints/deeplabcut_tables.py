"""DeepLabCut's tables, as CSV and as HDF5 of pandas; read without pandas, which unpickles what is there.

Both have columns of several levels: scorer, perhaps individuals, bodyparts, coords.
"""

from __future__ import annotations

import csv
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.exchange.keypoints.plain_hdf5 import (
    find_dataset,
    find_group,
    open_hdf5,
    read_texts,
    read_values,
)
from heatpool.pool.exchange.plain_pickle import parse_plain_pickle

if TYPE_CHECKING:
    import h5py

__all__ = ["Column", "PoseTable", "read_pose_columns", "read_pose_table"]

_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
_MOST_BYTES = 4 << 30  # of a CSV

Column = tuple[str, str, str, str]
"""Scorer, individual ("" without), body part, coordinate."""


@dataclass(frozen=True, eq=False)
class PoseTable:
    """A table.

    Attributes:
        columns: K.
        rows: n frame numbers, or paths of pictures.
        values: (n, K) float32, NaN where a cell is empty.
    """

    columns: Sequence[Column]
    rows: Sequence[int] | Sequence[str]
    values: np.ndarray


def read_pose_columns(path: Path) -> tuple[Sequence[Column], bool]:
    """Return the columns of a file, and whether its rows are frames of a video, not pictures.

    Raises:
        HeatpoolError: if it is no such file.
    """
    if _is_hdf5(path):
        with _frame_group(path) as group:
            if "table" in set(group):
                dtype = read_values(group, "table", slice(0)).dtype
                return _table_columns(group)[0], dtype["index"].kind in "iu"
            return [column for _, columns in _blocks(group) for column in columns], not _is_text_axis(group)
    with _open_csv(path) as (columns, lines, _):
        first = next(lines, [])
        return columns, len(first) == 0 or _is_number(first[0])


def read_pose_table(path: Path) -> PoseTable:
    """Read a file whole.

    Raises:
        HeatpoolError: if it is no such file, or has a cell that is no number.
    """
    return _read_hdf5(path) if _is_hdf5(path) else _read_csv(path)


def _is_hdf5(path: Path) -> bool:
    return path.suffix.lower() in (".h5", ".hdf5")


@contextmanager
def _open_csv(path: Path) -> Iterator[tuple[Sequence[Column], Iterator[list[str]], int]]:
    """Columns, the lines below them, and how many cells of a line come before its values."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            most = f"{_MOST_BYTES >> 30} GiB"
            raise HeatpoolError(f"{path}: expected a CSV of at most {most}; write a file per video")
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield _csv_header(path, file)
    except (UnicodeDecodeError, csv.Error) as error:
        raise HeatpoolError(f"{path}: expected a CSV of DeepLabCut, got {shorten(str(error))}") from error
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot be read ({error.strerror or error})") from error


def _csv_header(path: Path, file: TextIO) -> tuple[Sequence[Column], Iterator[list[str]], int]:
    first = file.readline(1 << 20)
    file.seek(0)
    lines = csv.reader(file, delimiter=max(",;\t", key=first.count))
    levels: dict[str, list[str]] = {}
    for line in lines:
        name = line[0].strip().casefold() if line else ""
        if name not in _LEVELS or name in levels:
            break
        levels[name] = line
        if name == "coords":
            break
    if not {"scorer", "bodyparts", "coords"} <= set(levels):
        got = ", ".join(levels) or shorten(first)
        raise HeatpoolError(f"{path}: expected lines scorer, bodyparts and coords first, got {got}")
    before = next((at for at, cell in enumerate(levels["scorer"]) if at and cell.strip()), 1)
    rows = [levels.get(level, [""] * len(levels["coords"]))[before:] for level in _LEVELS]
    if len({len(row) for row in rows}) > 1:
        raise HeatpoolError(f"{path}: expected lines scorer to coords of the same length, got others")
    return [(a, b, c, d) for a, b, c, d in zip(*rows, strict=True)], lines, before


def _read_csv(path: Path) -> PoseTable:
    with _open_csv(path) as (columns, lines, before):
        rows: list[str] = []
        values = array("f")
        for number, line in enumerate(filter(None, lines), 1):
            try:
                cells = [float(cell) if cell else np.nan for cell in line[before:]]
            except ValueError as error:
                raise HeatpoolError(f"{path}: row {number}: {error}") from None
            if len(cells) != len(columns):
                raise HeatpoolError(f"{path}: row {number}: expected {len(columns)} values, got {len(cells)}")
            values.extend(cells)
            rows.append("/".join(line[:before]))
    table = np.frombuffer(values, np.float32).reshape(len(rows), len(columns))
    return PoseTable(columns, _numbers_or_paths(rows), table)


def _numbers_or_paths(rows: Sequence[str]) -> Sequence[int] | Sequence[str]:
    return [int(float(row)) for row in rows] if all(map(_is_number, rows)) else rows


def _is_number(text: str) -> bool:
    return text.strip().removesuffix(".0").isdecimal()


@contextmanager
def _frame_group(path: Path) -> Iterator[h5py.Group]:
    """The one group of a file that holds a table of pandas."""
    with open_hdf5(path) as file:
        groups = [find_group(file, name) for name in file if not name.startswith("_")]
        tables = [group for group in groups if {"table", "axis0_level0"} & set(group)]
        if len(tables) != 1:
            raise ValueError(f"expected one table of DeepLabCut, got {', '.join(file) or 'nothing'}")
        yield tables[0]


def _read_hdf5(path: Path) -> PoseTable:
    with _frame_group(path) as group:
        if "table" in set(group):
            columns, blocks = _table_columns(group)
            table = read_values(group, "table")
            values = [np.asarray(table[name], np.float32).reshape(len(table), -1) for name in blocks]
            index = table["index"]
            rows = index.tolist() if index.dtype.kind in "iu" else [each.decode() for each in index.tolist()]
        else:
            found = _blocks(group)
            columns = [column for _, names in found for column in names]
            values = [read_values(group, f"{block}_values").astype(np.float32) for block, _ in found]
            rows = _axis_rows(group)
        if not values or any(len(block) != len(rows) for block in values):
            raise ValueError(f"expected values of {len(rows)} rows, got {[block.shape for block in values]}")
        joined = np.concatenate(values, 1)
        if joined.shape[1] != len(columns):
            raise ValueError(f"expected values of {len(columns)} columns, got {joined.shape[1]}")
        return PoseTable(columns, rows, joined)


def _table_columns(group: h5py.Group) -> tuple[list[Column], list[str]]:
    """Columns and their blocks of pandas' layout `table`, which keeps names in a pickle beside them."""
    columns, blocks = [], []
    attributes = find_dataset(group, "table").attrs
    for name in read_values(group, "table", slice(0)).dtype.names or ():
        if name.startswith("values_block_"):
            blocks.append(name)
            columns += [_column(each) for each in parse_plain_pickle(bytes(attributes[f"{name}_kind"]))]
    return columns, blocks


def _blocks(group: h5py.Group) -> list[tuple[str, list[Column]]]:
    """Names of the blocks of pandas' layout `fixed`, with their columns."""
    blocks = []
    for number in range(int(group.attrs["nblocks"])):
        name = f"block{number}"
        levels = int(group.attrs.get(f"{name}_items_nlevels", 0))
        parts = [_level(group, f"{name}_items", level) for level in range(levels)]
        blocks.append((name, [_column(each) for each in zip(*parts, strict=True)]))
    return blocks


def _level(group: h5py.Group, axis: str, level: int) -> list[str]:
    names = read_texts(group, f"{axis}_level{level}")
    return [names[place] for place in read_values(group, f"{axis}_label{level}").tolist()]


def _is_text_axis(group: h5py.Group) -> bool:
    return "axis1" not in set(group) or read_values(group, "axis1", slice(0)).dtype.kind == "S"


def _axis_rows(group: h5py.Group) -> Sequence[int] | Sequence[str]:
    if "axis1" in set(group):
        index = read_values(group, "axis1")
        return index.tolist() if index.dtype.kind in "iu" else read_texts(group, "axis1")
    levels = range(int(group.attrs["axis1_nlevels"]))
    return ["/".join(parts) for parts in zip(*(_level(group, "axis1", each) for each in levels), strict=True)]


def _column(levels: Any) -> Column:
    names = tuple(map(str, levels)) if isinstance(levels, tuple) else ()
    if len(names) == 3:
        return names[0], "", names[1], names[2]
    if len(names) == 4:
        return names[0], names[1], names[2], names[3]
    raise ValueError(f"expected columns {', '.join(_LEVELS)}, got {shorten(levels)}")
