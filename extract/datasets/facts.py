"""What the values of the columns that splits go by mean: who and where, in one way of writing each."""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from heatpool.pool.disk.class_names import one_form

__all__ = ["Facts", "read_facts"]

_log = logging.getLogger(__name__)

Facts = Mapping[str, Mapping[str, str]]
"""By column, what each value that occurs there stands for; "" for what is not known."""

_NUMBER = re.compile(r"(\d+)(?:\.0*)?")  # programs write 3.0 where a value is missing
_NOTHING = frozenset(
    {"nan", "NaN", "<NA>", "NaT", "None", "null", "NULL", "N/A", "#N/A"}
)  # as programs write it
_INITIALS = "NA"  # a person may be called so; beside numbers it is none


def read_facts(values: Mapping[str, Iterable[str]], source: str) -> dict[str, dict[str, str]]:
    """Read the values of columns such as `subject`; lines of the log say what is not taken as it is written.

    Where all are whole numbers, `1.0` is `1`: else a person who is 1 in train and 1.0 in test would be two.

    Args:
        values: by column, each value that occurs.
        source: name of the table.
    """
    return {
        column: _read(column, {text: text.strip() for text in of}, source) for column, of in values.items()
    }


def _read(column: str, plain: Mapping[str, str], source: str) -> dict[str, str]:
    words = {word for word in plain.values() if word and not _NUMBER.fullmatch(word)}
    nothing = words & (_NOTHING if words - _NOTHING - {_INITIALS} else {*_NOTHING, _INITIALS})
    if nothing:
        _log.warning("%s: %s in column %s stands for nothing", source, ", ".join(sorted(nothing)), column)
    meaning = {text: "" if word in nothing else one_form(word) for text, word in plain.items()}
    if words - nothing:
        return meaning
    numbers = {text: match[1] for text, word in meaning.items() if (match := _NUMBER.fullmatch(word))}
    changed = sorted(text for text, number in numbers.items() if meaning[text] != number)
    if changed:
        _log.info("%s: %s in column %s is %s", source, changed[0], column, numbers[changed[0]])
    _say_alike(column, set(numbers.values()), source)
    return meaning | numbers


def _say_alike(column: str, numbers: Iterable[str], source: str) -> None:
    alike: dict[int, list[str]] = defaultdict(list)
    for number in sorted(numbers):
        alike[int(number)].append(number)
    doubles = next((each for each in alike.values() if len(each) > 1), None)
    if doubles:
        shown = " and ".join(doubles)
        _log.warning("%s: %s in column %s are two, as they are written", source, shown, column)
