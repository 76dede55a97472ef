"""What the values of a column `label` mean: numbers stay numbers where all are, else all are names."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from heatpool.pool.errors import HeatpoolError

__all__ = ["Labels", "read_labels"]

_log = logging.getLogger(__name__)

# 007 is a name. Other programs write whole numbers as 3.0 where a value is missing.
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:\.\d*)?")
_NOTHING = re.compile(r"-1(?:\.0*)?|")
_MISSING = frozenset({"nan", "na", "n/a", "none", "null"})  # what programs write for a missing number
_MOST = 99_999  # each number up to the highest gets a name: an identity taken for a class would fill memory
_NAMED = 3  # labels that a line writes out


@dataclass(frozen=True)
class Labels:
    """What each value of a column stands for.

    Attributes:
        meaning: value to class number (-1: none, or still to be numbered) and class name ("" without one).
        named: the values are class names.
    """

    meaning: Mapping[str, tuple[int, str]]
    named: bool = False


def read_labels(first_lines: Mapping[str, str], source: str, *, class_names: Sequence[str] = ()) -> Labels:
    """Read the values of a column `label`.

    An empty value and -1 stand for no label. If all others are whole numbers (also as 3.0), they are class
    numbers; if one is not, all are class names as they are written, and a line of the log says which numbers
    became names.

    Args:
        first_lines: each value that occurs, and where for the first time.
        source: name of the table.
        class_names: of class numbers, in their order.

    Raises:
        HeatpoolError: if all values are numbers and one is not whole, too small, too large or without a name;
            naming its line.
    """
    given = {text: where for text, where in first_lines.items() if not _NOTHING.fullmatch(text)}
    nothing = dict.fromkeys({"", *first_lines} - given.keys(), (-1, ""))
    numbers = [text for text in given if _NUMBER.fullmatch(text)]
    names = [text for text in given if not _NUMBER.fullmatch(text)]
    if names:
        if numbers and all(name.casefold() in _MISSING for name in names):
            raise HeatpoolError(
                f"expected nothing, or -1, for no label, got {names[0]!r} in {given[names[0]]}"
            )
        if class_names:
            raise HeatpoolError(
                f"expected labels that are numbers with --class-names, got {names[0]!r} in {given[names[0]]}"
            )
        if numbers:
            shown = ", ".join(numbers[:_NAMED]) + (", …" if len(numbers) > _NAMED else "")
            _log.warning("%s: labels are class names, as %r is no number; %s too", source, names[0], shown)
        return Labels({text: (-1, text) for text in given} | nothing, named=True)
    meaning = {text: _number(text, where, class_names) for text, where in given.items()}
    return Labels(meaning | nothing)


def _number(text: str, where: str, class_names: Sequence[str]) -> tuple[int, str]:
    value = float(text)
    if value != int(value) or not 0 <= value <= _MOST:
        raise HeatpoolError(
            f"expected class names, or whole numbers from 0 to {_MOST} (nothing or -1: no label), "
            f"got {text!r} in {where}"
        )
    if not class_names:
        return int(value), ""
    if value >= len(class_names):
        raise HeatpoolError(
            f"expected a label of the {len(class_names)} class names, got {text!r} in {where}"
        )
    return int(value), class_names[int(value)]
