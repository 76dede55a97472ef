"""What the values of a column `label` mean: numbers stay numbers where all are, else all are names.

docs/labels.md has the table. Whatever is not taken as it is written is said, with its line.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from heatpool.pool.disk.class_names import ClassNames, alike_names, plain_name
from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["Labels", "plain_names", "read_labels"]

_log = logging.getLogger(__name__)

# 007 is a name. Programs write whole numbers as 3.0 where a value is missing (3,0 where commas are decimal),
# or as 3.000000e+00.
_NUMBER = re.compile(r"[+-]?(?:0|[1-9]\d*)(?:,\d|(?:\.\d*)?(?:[eE][+-]\d\d+)?)")
_NOTHING = re.compile(r"[-\u2212]1(?:[.,]0*)?|-1\.0*e\+00|", re.IGNORECASE)  # U+2212: the minus of texts
# What programs write for no value; Excel where a formula found none.
_MISSING = frozenset(
    {"nan", "na", "n/a", "<na>", "nat", "none", "null", "#n/a", "#value!", "#ref!", "#null!"}
)
_SEVERAL = re.compile(r"\d+(?: \d+)+|\[.*\]")
_DENSE_BELOW, _DENSE_TIMES = 1_000, 10
"""Each number up to the highest is a class. So the highest is below the one, or below so many times the
different ones there are; else they are no class numbers, but the names (dates, identities) of classes."""
_MANY_EMPTY = 10  # classes without a clip, of which a line speaks if they are more than those with one
_NAMED = 3  # labels that a line writes out


@dataclass(frozen=True)
class Labels:
    """What each value of a column stands for.

    Attributes:
        meaning: value to class number (-1: none, or still to be numbered) and class name ("" without one).
    """

    meaning: Mapping[str, tuple[int, str]]


def read_labels(first_lines: Mapping[str, str], source: str, *, classes: ClassNames | None = None) -> Labels:
    """Read the values of a column `label`.

    An empty value and -1 stand for no label. If all others are whole numbers (also as 3.0), they are class
    numbers, unless they are far too high for that; if one is no number, all are class names. Lines of the log
    say what is not taken as it is written.

    Args:
        first_lines: each value that occurs, and where for the first time.
        source: name of the table.
        classes: that labels name, or number: from 0 or 1, as the list does, else as they themselves begin.

    Raises:
        HeatpoolError: if all values are numbers and one is not whole or negative, if a value is several
            labels, or no class of the list; naming its line.
    """
    plain = {text: plain_name(text) for text in first_lines}
    given = {text: name for text, name in plain.items() if not _NOTHING.fullmatch(name)}
    nothing = dict.fromkeys(["", *(plain.keys() - given.keys())], (-1, ""))
    _say_minus_one(nothing, first_lines, source)
    words = [text for text, name in given.items() if not _NUMBER.fullmatch(name)]
    names = frozenset(classes.names if classes else ())
    if words and all(given[text].casefold() in _MISSING - names for text in words):
        _log.warning("%s: %s stands for no label, as in %s", source, words[0], first_lines[words[0]])
        nothing |= dict.fromkeys(words, (-1, ""))
        given = {text: name for text, name in given.items() if name.casefold() not in _MISSING}
        words = []
    _refuse_several({text: name for text, name in given.items() if name not in names}, first_lines)
    if not words:
        values = {text: _whole(name, first_lines[text]) for text, name in given.items()}
        if classes is not None:
            return Labels(_numbered(values, first_lines, classes, source) | nothing)
        if not _too_high(values.values()):
            _say_empty_classes(values, first_lines, source)
            return Labels({text: (value, "") for text, value in values.items()} | nothing)
    if classes is not None:
        return Labels(_listed(given, words, first_lines, classes) | nothing)
    _say_names(given, words, first_lines, source)
    return Labels({text: (-1, text) for text in given} | nothing)


def plain_names(written: Iterable[str], source: str, *, known: Sequence[str] = ()) -> dict[str, str]:
    """Return how each class name is kept, and say what differs from what is written, or may be a slip.

    Args:
        written: names.
        source: where they stand.
        known: names that are kept already, as those of a store: one that is equal but for its form stays.
    """
    as_known = {plain_name(name): name for name in known}
    kept = {name: as_known.get(plain_name(name), plain_name(name)) for name in written}
    changed = sorted(name for name, plain in kept.items() if plain != name)
    if changed:
        _log.warning(
            "%s: %s is taken as %s%s: one form of Unicode (NFC), plain spaces",
            source, ascii(changed[0]), shorten(kept[changed[0]]), _more(changed),
        )  # fmt: skip
    missing = sorted(name for name in kept.values() if name.casefold() in _MISSING)
    if missing:
        _log.warning("%s: %r is taken as a class name; nothing stands for no label", source, missing[0])
    used = set(kept.values())
    doubles = [group for group in alike_names({*used, *as_known.values()}) if used.intersection(group)]
    if doubles:
        shown = " and ".join(map(repr, doubles[0]))
        _log.warning("%s: %s are classes of their own, as they are written%s", source, shown, _more(doubles))
    return kept


def _more(shown: Sequence[object]) -> str:
    return f" (and {len(shown) - 1} more alike)" if len(shown) > 1 else ""


def _say_minus_one(nothing: Iterable[str], first_lines: Mapping[str, str], source: str) -> None:
    minus = next((text for text in nothing if text), "")
    if minus:
        _log.info("%s: label %s stands for no label, as in %s", source, minus, first_lines[minus])


def _refuse_several(given: Mapping[str, str], first_lines: Mapping[str, str]) -> None:
    names = set(given.values())
    for text, name in given.items():
        listed = [part.strip() for part in name.split(",")]
        divided = [part for part in re.split("[;|]", name) if part.strip()]
        known = len(listed) > 1 and names.issuperset(listed)
        if len(divided) > 1 or known or _SEVERAL.fullmatch(name):
            raise HeatpoolError(
                f"expected one class per clip, got several labels {shorten(name)} in {first_lines[text]}; if "
                "that is the name of one class, put it into a column class_name"
            )


def _whole(name: str, where: str) -> int:
    """Return the whole number that a label is."""
    text = name.replace(",", ".")
    value = float(text)
    if value < 0 or not value.is_integer():
        raise HeatpoolError(
            "expected class names, or whole numbers from 0 on (nothing or -1: no label), got "
            f"{shorten(name)} in {where}"
        )
    return int(text.partition(".")[0]) if "e" not in text.casefold() else int(value)


def _too_high(values: Iterable[int]) -> bool:
    different = set(values)
    highest = max(different, default=0)
    return highest >= max(_DENSE_BELOW, _DENSE_TIMES * len(different))


def _say_empty_classes(values: Mapping[str, int], first_lines: Mapping[str, str], source: str) -> None:
    """Say where most classes have no clip: 255 is what some programs write for none."""
    different, highest = set(values.values()), max(values, key=values.__getitem__, default="")
    empty = values.get(highest, -1) + 1 - len(different)
    if empty >= _MANY_EMPTY and empty > len(different):
        _log.warning(
            "%s: labels run to %s, as in %s, so there are %d classes, %d of them without a clip",
            source, highest, first_lines[highest], empty + len(different), empty,
        )  # fmt: skip


def _numbered(
    values: Mapping[str, int], first_lines: Mapping[str, str], classes: ClassNames, source: str
) -> dict[str, tuple[int, str]]:
    """Name class numbers by a list."""
    count, low = len(classes.names), min(values.values(), default=0)
    first = classes.first or 0
    if low == 0 and first == 1:
        first = 0
        _log.warning("%s: labels begin at 0, the list of classes at 1: 0 is its first one", source)
    if classes.first is None and low > 0 and count in values.values():
        first = 1
        _log.warning(
            "%s: labels run from %d to %d, so 1 is the first of the %d classes", source, low, count, count
        )
    elif classes.first is None and low == 1:
        _log.warning(
            "%s: labels begin at 1, and 0 is the first of the %d classes: none is %s",
            source, count, shorten(classes.names[0]),
        )  # fmt: skip
    for text, value in values.items():
        if not first <= value < first + count:
            raise HeatpoolError(
                f"expected a label of the {count} class names, got {text!r} in {first_lines[text]}"
            )
    return {text: (value - first, classes.names[value - first]) for text, value in values.items()}


def _listed(
    given: Mapping[str, str], words: Sequence[str], first_lines: Mapping[str, str], classes: ClassNames
) -> dict[str, tuple[int, str]]:
    """Find names in a list of classes, which gives their order."""
    number = {name: at for at, name in enumerate(classes.names)}
    for text in dict.fromkeys([*words, *given]):  # what is no number first
        if given[text] not in number:
            raise HeatpoolError(
                f"expected a label of the {len(number)} class names, got {text!r} in {first_lines[text]}"
            )
    return {text: (number[name], name) for text, name in given.items()}


def _say_names(
    given: Mapping[str, str], words: Sequence[str], first_lines: Mapping[str, str], source: str
) -> None:
    """Say which labels look like something else than the class names that they are."""
    numbers = [text for text in given if _NUMBER.fullmatch(given[text])]
    shown = ", ".join(numbers[:_NAMED]) + (", …" if len(numbers) > _NAMED else "")
    if numbers and words:
        _log.warning("%s: labels are class names, as %r is no number; %s too", source, words[0], shown)
    elif numbers:
        high = max(numbers, key=lambda text: _whole(given[text], ""))
        _log.warning(
            "%s: labels are class names, as %s in %s is too high for a class number of %d classes: %s",
            source, high, first_lines[high], len(numbers), shown,
        )  # fmt: skip
