"""Class names: the one form in which they are kept, and the lists of them that people and data sets have."""

from __future__ import annotations

import logging
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.disk.text_files import read_text
from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["ClassNames", "alike_names", "one_form", "plain_name", "read_class_names"]

_log = logging.getLogger(__name__)

_INVISIBLE = dict.fromkeys(map(ord, "\ufeff\u200b\u2060"))  # byte order mark, spaces of no width
_BEFORE = re.compile(r"(?P<number>\d{1,9})[\s,;:.)]+(?P<name>\S.*)")
_BEHIND = re.compile(r"(?P<name>\S.*?)[\s,;:=]+(?P<number>\d{1,9})")
_REMARK = re.compile(r"#(\s.*)?")
_BULLET = "- "  # of a list in YAML or Markdown
_HEADERS = frozenset({"label", "labels", "class", "classes", "class_name", "class_names", "name", "names"})


@dataclass(frozen=True)
class ClassNames:
    """The classes of a file.

    Attributes:
        names: in their order.
        first: number of the first one where the file numbers them (0 or 1), None where it does not.
    """

    names: tuple[str, ...] = ()
    first: int | None = None


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


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Return groups of names that differ in capitals, hyphens, underscores or forms of letters alone."""
    alike: dict[str, set[str]] = defaultdict(set)
    for name in names:
        alike[re.sub(r"[\s_-]+", " ", unicodedata.normalize("NFKC", name).casefold())].add(name)
    return sorted(sorted(group) for group in alike.values() if len(group) > 1)


def read_class_names(path: Path) -> ClassNames:
    """Read class names, one a line in label order; numbers beside them are none of them.

    Numbers from 0 or 1 on may stand before the names (`1 walk`, `0,walk`) or behind them (`walk,0`). A line
    `label` or `name` above them is a header, marks of a list (`- walk`) and quotation marks around a name
    are none of it. JSON is a list of names, or an object from name to number or from number to name.

    Raises:
        HeatpoolError: if the file cannot be read, a line is empty or a remark, a name stands twice, or
            numbers have a gap; naming the line.
    """
    text = read_text(path)
    if text.lstrip().startswith(("{", "[")) and (path.suffix.lower() == ".json" or _is_json(text)):
        found, lines = _from_json(text, path), 0
    else:
        written = _lines(text, path)
        found, lines = _without_numbers(written, path.name), len(written)
    names = tuple(map(_unquoted, found.names))
    if names != found.names:
        _log.info("%s: quotation marks are no part of the names", path.name)
    _refuse_twins(names, path.name, header=max(lines - len(names), 0))
    return ClassNames(names, found.first)


def _lines(text: str, path: Path) -> list[str]:
    lines = [plain_name(line) for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise HeatpoolError(f"expected a class name per line in {path}, it is empty")
    for number, line in enumerate(lines, start=1):
        if not line or _REMARK.fullmatch(line):
            what = f"a remark: {shorten(line)}" if line else "empty"
            raise HeatpoolError(
                f"expected a class name in every line of {path.name}, line {number} is {what}"
            )
    if all(line.startswith(_BULLET) for line in lines):
        _log.info("%s: the marks %r of a list are no part of the names", path.name, _BULLET)
        lines = [line.removeprefix(_BULLET) for line in lines]
    return lines


def _without_numbers(lines: Sequence[str], source: str) -> ClassNames:
    """Take the numbers off a list that counts its classes from 0 or 1, perhaps below a header."""
    for pattern in (_BEFORE, _BEHIND):
        for header in (0, 1):
            matches = [match for line in lines[header:] if (match := pattern.fullmatch(line))]
            named = {int(match["number"]): match["name"] for match in matches}
            complete = len(lines) - header == len(matches) == len(named) > 0
            if not complete or min(named) > 1 or (header and pattern.fullmatch(lines[0])):
                continue
            numbers = list(named)
            gap = next((at for at, number in enumerate(numbers) if number != numbers[0] + at), None)
            if gap is None and (pattern is _BEFORE or len(set(named.values())) == len(named)):
                below = f" below {shorten(lines[0])}" if header else ""
                where = "names follow" if pattern is _BEFORE else "behind the names"
                _log.info("%s: classes are numbered from %d%s, %s", source, numbers[0], below, where)
                return ClassNames(tuple(named.values()), numbers[0])
            if gap is not None and pattern is _BEFORE and numbers == sorted(numbers) and numbers[0] < 2:
                raise HeatpoolError(
                    f"expected classes numbered without a gap in {source}, got {numbers[gap]} after "
                    f"{numbers[gap - 1]} in line {1 + header + gap}; name those between, or number none"
                )
    if len(lines) > 1 and lines[0].casefold() in _HEADERS:
        _log.warning("%s: its first line, %s, is taken for a header", source, shorten(lines[0]))
        lines = lines[1:]
    return ClassNames(tuple(lines))


def _is_json(text: str) -> bool:
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def _from_json(text: str, path: Path) -> ClassNames:
    """Read a list of names, or an object that numbers them from 0 or 1."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise HeatpoolError(f"expected JSON in {path}: {error}") from error
    if isinstance(content, list) and content and all(isinstance(name, str) for name in content):
        return ClassNames(tuple(map(plain_name, content)))
    named = _numbered_in(content) if isinstance(content, dict) else {}
    numbers = sorted(named)
    if not named or numbers[0] > 1 or numbers != list(range(numbers[0], numbers[0] + len(content))):
        raise HeatpoolError(
            f"expected a list of class names in {path.name}, or an object that numbers each from 0 or 1"
        )
    return ClassNames(tuple(plain_name(named[number]) for number in numbers), numbers[0])


def _numbered_in(content: Mapping[str, Any]) -> dict[int, str]:
    """Return number to name of an object, whichever of both its keys are."""
    if all(key.isdecimal() and isinstance(value, str) for key, value in content.items()):
        return {int(key): value for key, value in content.items()}
    return {int(value): key for key, value in content.items() if str(value).isdecimal()}


def _unquoted(name: str) -> str:
    quoted = len(name) > 2 and name[0] == name[-1] == '"'
    return name[1:-1].replace('""', '"').strip() if quoted else name


def _refuse_twins(names: Sequence[str], source: str, *, header: int) -> None:
    line_of: dict[str, int] = {}
    for line, name in enumerate(names, start=1 + header):
        if name in line_of:
            raise HeatpoolError(
                f"expected each class once in {source}, got {shorten(name)} in lines {line_of[name]} "
                f"and {line}"
            )
        line_of[name] = line
