"""Text files that people and other programs wrote, and the class names that are in them."""

from __future__ import annotations

import codecs
import logging
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["ClassNames", "one_form", "plain_name", "read_class_names", "read_text", "text_encoding"]

_log = logging.getLogger(__name__)

_SPREADSHEETS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # how .xlsx and .ods, and .xls begin
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = codecs.BOM_UTF32_LE
_START = 4096  # bytes that are looked at
_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))  # byte order mark, spaces of no width
_NUMBERED = re.compile(r"(\d{1,9})[\s,;:.)]+(\S.*)")


@dataclass(frozen=True)
class ClassNames:
    """The classes of a file.

    Attributes:
        names: in their order.
        first: number of the first one where the file numbers them (0 or 1), None where it does not.
    """

    names: tuple[str, ...] = ()
    first: int | None = None


def text_encoding(path: Path) -> str:
    """Return the encoding of a text file: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises:
        HeatpoolError: if it is a spreadsheet, or no text.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(_START)
    if start.startswith(_SPREADSHEETS):
        raise HeatpoolError(f"expected text, {path} is a spreadsheet or an archive: save it as CSV (UTF-8)")
    if start.startswith(_UTF_16) and not start.startswith(_UTF_32):
        return "utf-16"
    if b"\0" in start:
        raise HeatpoolError(f"cannot read {path}, save it as text in UTF-8: it holds zero bytes")
    return "utf-8-sig"


def read_text(path: Path) -> str:
    """Return what a text file holds; its lines end in a line feed each, whatever they end in there.

    Raises:
        HeatpoolError: if it cannot be read, or is no UTF-8 and no UTF-16.
    """
    try:
        return path.read_text(encoding=text_encoding(path))
    except UnicodeError as error:
        raise HeatpoolError(f"cannot read {path}, save it as text in UTF-8: {error}") from error
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror or error}") from error


def one_form(text: str) -> str:
    """Return a text in one form of Unicode (NFC); names of files come in two, those of macOS in NFD."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def plain_name(text: str) -> str:
    """Return a name as it is compared and kept.

    It is NFC, with single plain spaces between words and none around them.
    """
    if text.isascii() and text.isprintable() and "  " not in text:
        return text.strip()  # nearly all; there may be millions
    return " ".join(one_form(text).translate(_INVISIBLE).split())


def read_class_names(path: Path) -> ClassNames:
    """Read class names, one a line in label order; numbers before them (`1 walk`, `0,walk`) are none of them.

    Raises:
        HeatpoolError: if the file cannot be read, a line is empty or a name stands twice; naming the line.
    """
    lines = [plain_name(line) for line in read_text(path).split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise HeatpoolError(f"expected a class name per line in {path}, it is empty")
    if lines[0].startswith(("{", "[")) and path.suffix.lower() == ".json":
        raise HeatpoolError(f"expected a text file with a class name per line, {path.name} is JSON")
    if "" in lines:
        raise HeatpoolError(
            f"expected a class name in every line of {path.name}, line {lines.index('') + 1} is empty"
        )
    found = _without_numbers(lines, path.name)
    line_of: dict[str, int] = {}
    for line, name in enumerate(found.names, start=1 + len(lines) - len(found.names)):
        if name in line_of:
            raise HeatpoolError(
                f"expected each class once in {path.name}, got {shorten(name)} in lines {line_of[name]} "
                f"and {line}"
            )
        line_of[name] = line
    return found


def _without_numbers(lines: Sequence[str], source: str) -> ClassNames:
    """Take the numbers off a list that counts its classes from 0 or 1, perhaps below a header."""
    for header, above in ((0, ""), (1, lines[0])):
        matches = [_NUMBERED.fullmatch(line) for line in lines[header:]]
        numbers = [int(match[1]) for match in matches if match]
        if not numbers or len(numbers) < len(matches) or numbers[0] > 1 or _NUMBERED.fullmatch(above):
            continue
        if numbers == list(range(numbers[0], numbers[0] + len(numbers))):
            below = f" below {shorten(above)}" if above else ""
            _log.info("%s: classes are numbered from %d%s, names follow", source, numbers[0], below)
            return ClassNames(tuple(match[2] for match in matches if match), numbers[0])
    return ClassNames(tuple(lines))
