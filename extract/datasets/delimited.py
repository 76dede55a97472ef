"""Tables of text: a header, then a row per line, between commas, semicolons or tabs."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TextIO

from heatpool.pool.disk.class_names import plain_name
from heatpool.pool.disk.text_files import text_encoding, undecodable
from heatpool.pool.errors import HeatpoolError

__all__ = ["Lines", "Rows", "open_lines", "open_table", "show_header"]

_DECIMAL_COMMA = re.compile(r"-?(\d+:){0,2}\d+,\d+")  # of a number, or of a time
_VALUE = re.compile(r"[-+]?\d+(\.\d*)?([eE][-+]?\d+)?|.*\.(mp4|avi|mov|mkv|webm|jpg|png)", re.IGNORECASE)
_SHOWN = 200  # letters of a header
_SEP = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # the first line of some, for spreadsheets

Rows = Iterator[tuple[int, dict[str, str]]]
"""Line number and values by column of each row; values that are left out are empty."""

Lines = Iterator[tuple[int, list[str]]]
"""Line number and values of each row, in the order of the columns; values that are left out are empty."""


@contextmanager
def open_table(
    path: Path, *, needed: Collection[str] = (), known: Collection[str] = (), numbers: Collection[str] = ()
) -> Iterator[tuple[tuple[str, ...], Rows]]:
    """Open a table by the names of its columns; as `open_lines` otherwise."""
    with open_lines(path, needed=needed, known=known, numbers=numbers) as (header, lines):
        yield header, ((line, dict(zip(header, values, strict=False))) for line, values in lines)


@contextmanager
def open_lines(
    path: Path, *, needed: Collection[str] = (), known: Collection[str] = (), numbers: Collection[str] = ()
) -> Iterator[tuple[tuple[str, ...], Lines]]:
    """Open a table; the delimiter (comma, semicolon or tab) is the one that its header has most of.

    A dict for each row would take longer than all else: tables of boxes have millions of rows.

    Args:
        path: the file, in UTF-8 with or without a byte order mark, or in UTF-16 with one.
        needed: columns by which the header is known where other lines stand before it.
        known: columns, in small letters, that may be written in capitals.
        numbers: columns, in small letters, where `1,5` is 1.5 if semicolons stand between values.

    Yields:
        Names of the columns, and the rows that are not empty.

    Raises:
        HeatpoolError: if the file is no such text, a column stands twice, or a row has more values than the
            header or lacks a quotation mark; naming the line.
    """
    try:
        with path.open(newline="", encoding=text_encoding(path)) as file:
            number, first, stated = _find_header(file, needed)
            _refuse_other_formats(first, path)
            delimiter = stated or max(",;\t", key=first.count)
            # Strict: an open quotation mark would swallow the rest of the file as one value.
            lines = csv.reader(chain([first], file), delimiter=delimiter, strict=True)
            names = [plain_name(name) for name in next(lines, [])]
            header = tuple(name.casefold() if name.casefold() in known else name for name in names)
            named = [name for name in header if name and not _VALUE.fullmatch(name)]
            twice = [name for at, name in enumerate(named) if name in named[:at]]
            if twice:
                raise HeatpoolError(f"expected each column once in {path.name}, got {twice[0]!r} twice")
            rows = _iter_rows(lines, header, path, number, delimiter)
            yield header, _with_decimal_points(rows, header, numbers) if delimiter == ";" else rows
    except UnicodeError as error:
        raise undecodable(path) from error
    except csv.Error as error:
        at = number + lines.line_num
        raise HeatpoolError(
            f"cannot read {path}: {error}, up to line {at}; see its quotation marks"
        ) from error
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror or error}") from error


def show_header(header: Sequence[str]) -> str:
    """Return the names of a table's columns for a message, which says where they are none, but values."""
    shown = ", ".join(header)
    shown = f"{shown[:_SHOWN]}…" if len(shown) > _SHOWN else shown or "an empty file"
    headless = any(_VALUE.fullmatch(value) for name in header for value in name.split())
    if headless:
        return f"{shown} (the first line must name the columns)"
    one = len(header) == 1 and re.search(r"[\s|]", header[0])
    return f"{shown} (between columns: commas, semicolons or tabs)" if one else shown


def _refuse_other_formats(first: str, path: Path) -> None:
    """Raise HeatpoolError for what is text and no table, by how it begins."""
    begins = first.lstrip("\ufeff \t")[:1]
    kind = {"{": "JSON", "[": "JSON", "<": "XML or a web page"}.get(begins, "")
    if kind:
        raise HeatpoolError(f"expected a table with a line of column names, {path} is {kind}")


def _find_header(file: TextIO, needed: Collection[str]) -> tuple[int, str, str]:
    """Return how many lines stand before the header, the header, and the delimiter where a line states it.

    The header is the first line if none has the names.
    """
    first, stated = "", ""
    for number, line in enumerate(file):
        if number == 0 and (match := _SEP.fullmatch(line)):
            stated = match[1]
            continue
        if all(name in line for name in needed):
            return number, line, stated
        first = first or line
    return 0, first, stated


def _iter_rows(
    lines: Iterator[list[str]], header: Sequence[str], path: Path, before: int, delimiter: str
) -> Lines:
    for row in lines:
        line: int = before + lines.line_num  # type: ignore[attr-defined]  # csv.reader's, which is no public type
        if len(row) > len(header) and any(row[len(header) :]):
            raise HeatpoolError(
                f"expected as many values as columns in line {line} of {path.name}, got {len(row)} "
                f"instead of {len(header)}; numbers have decimal points, and texts that hold {delimiter!r} "
                "quotation marks around them"
            )
        if any(row):
            if len(row) < len(header):
                row += [""] * (len(header) - len(row))
            yield line, row


def _with_decimal_points(rows: Lines, header: Sequence[str], numbers: Collection[str]) -> Lines:
    """Spreadsheets put semicolons between values where their language has decimal commas."""
    places = [at for at, name in enumerate(header) if name.casefold() in numbers]
    for line, row in rows:
        for at in places:
            if "," in row[at] and _DECIMAL_COMMA.fullmatch(row[at].strip()):
                row[at] = row[at].replace(",", ".")
        yield line, row
