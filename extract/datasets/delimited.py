"""Tables of text: a header, then a row per line, between commas, semicolons or tabs."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TextIO

from heatpool.pool.errors import HeatpoolError

__all__ = ["Rows", "open_table"]

_DECIMAL_COMMA = re.compile(r"-?(\d+:){0,2}\d+,\d+")  # of a number, or of a time

Rows = Iterator[tuple[int, dict[str, str]]]
"""Line number and values by column of each row; values that are left out are empty."""


@contextmanager
def open_table(
    path: Path, *, needed: Collection[str] = (), known: Collection[str] = ()
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Open a table; the delimiter (comma, semicolon or tab) is the one that its header has most of.

    Args:
        path: the file, in UTF-8 with or without a byte order mark.
        needed: columns by which the header is known where other lines stand before it.
        known: columns, in small letters, that may be written in capitals.

    Yields:
        Names of the columns, and the rows that are not empty.

    Raises:
        HeatpoolError: if the file cannot be read, a column stands twice, or a row has more values than the
            header; naming the line.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            number, first = _find_header(file, needed)
            delimiter = max(",;\t", key=first.count)
            lines = csv.reader(chain([first], file), delimiter=delimiter)
            names = [name.strip() for name in next(lines, [])]
            header = tuple(name.casefold() if name.casefold() in known else name for name in names)
            twice = [name for at, name in enumerate(header) if name in header[:at] and name]
            if twice:
                raise HeatpoolError(f"expected each column once in {path.name}, got {twice[0]!r} twice")
            rows = _iter_rows(lines, header, path, number)
            yield header, _with_decimal_points(rows) if delimiter == ";" else rows
    except UnicodeDecodeError as error:
        raise HeatpoolError(f"cannot read {path}, save it as a table in UTF-8: {error}") from error
    except (OSError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise HeatpoolError(f"cannot read {path}: {why}") from error


def _find_header(file: TextIO, needed: Collection[str]) -> tuple[int, str]:
    """Return how many lines stand before the header, and the header; the first line if none has the names."""
    first = ""
    for number, line in enumerate(file):
        if all(name in line for name in needed):
            return number, line
        first = first or line
    return 0, first


def _iter_rows(lines: Iterator[list[str]], header: Sequence[str], path: Path, before: int) -> Rows:
    rest = [""] * len(header)
    for row in lines:
        line: int = before + lines.line_num  # type: ignore[attr-defined]  # csv.reader's, which is no public type
        if len(row) > len(header) and any(row[len(header) :]):
            raise HeatpoolError(
                f"expected as many values as columns in line {line} of {path.name}, got {len(row)} "
                f"instead of {len(header)}; numbers have decimal points"
            )
        if any(row):
            yield line, dict(zip(header, [*row, *rest], strict=False))


def _with_decimal_points(rows: Rows) -> Rows:
    """Spreadsheets put semicolons between values where their language has decimal commas."""
    for line, row in rows:
        yield (
            line,
            {
                name: value.replace(",", ".")
                if "," in value and _DECIMAL_COMMA.fullmatch(value.strip())
                else value
                for name, value in row.items()
            },
        )
