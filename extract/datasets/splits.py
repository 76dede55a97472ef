"""What data sets call their splits, in columns, names of lists and folders."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import Split

__all__ = ["SPLIT_WORDS", "holds_splits", "name_lines", "read_splits", "split_meanings"]

_log = logging.getLogger(__name__)

_EVAL = frozenset({"eval", "evaluation"})  # some data sets mean val, some test
SPLIT_WORDS: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training"), Split.TRAIN),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev"), Split.VAL),
    **dict.fromkeys(("test", "testing", *sorted(_EVAL)), Split.TEST),
}
"""What data sets call their splits, in small letters; `split_meanings` knows better of eval."""

_SYNONYMS = [word for word in SPLIT_WORDS if word not in ("train", "val", "test")]
_COLUMNS = frozenset({"split", "splits", "subset", "partition"})  # of which nobody means anything else
_NAMED = 5  # lines that a message writes out


def split_meanings(words: Collection[str]) -> dict[str, Split]:
    """Return what words of splits mean beside one another; those that are none are left out.

    `eval` is test where no other word is, else val; beside both it means nothing that is known.

    Args:
        words: in small letters.
    """
    plain = {word: SPLIT_WORDS[word] for word in words if word in SPLIT_WORDS and word not in _EVAL}
    others = set(plain.values())
    if Split.TEST not in others:
        return plain | {word: Split.TEST for word in words if word in _EVAL}
    return plain | ({} if Split.VAL in others else {word: Split.VAL for word in words if word in _EVAL})


def read_splits(column: str, lines: Mapping[str, Sequence[int]], source: str) -> dict[str, Split]:
    """Return the split that each value of a column stands for.

    Args:
        column: its name.
        lines: each value that occurs, and the lines that hold it.
        source: name of the table.

    Raises:
        HeatpoolError: if a value is no word of a split; naming it, its lines and what is known.
    """
    words = {text: text.strip().casefold() for text in lines}
    known = split_meanings(set(words.values())) | {"": Split.NONE}
    for text, word in words.items():
        if word not in known:
            raise HeatpoolError(
                f"expected train, val, test or nothing in column {column}, got {shorten(text.strip())} in "
                f"{name_lines(lines[text])} of {source} (known too: {', '.join(_SYNONYMS)})"
            )
        if word in _EVAL:
            _log.info("%s: %s in column %s is %s", source, text.strip(), column, known[word].name.lower())
    return {text: known[word] for text, word in words.items()}


def holds_splits(column: str, values: Mapping[str, Sequence[int]]) -> bool:
    """Whether a column is meant to hold splits: by its name, or as most that it holds are words of splits."""
    words = {text: text.strip().casefold() for text in values}
    split = sum(len(values[text]) for text, word in words.items() if word in SPLIT_WORDS)
    other = sum(len(values[text]) for text, word in words.items() if word and word not in SPLIT_WORDS)
    return split > other or (column.strip().casefold() in _COLUMNS and split + other > 0)


def name_lines(lines: Sequence[int]) -> str:
    """Return `line 3`, or `lines 3, 5, …, (12)`."""
    if len(lines) == 1:
        return f"line {lines[0]}"
    more = f", … ({len(lines)})" if len(lines) > _NAMED else ""
    return f"lines {', '.join(map(str, lines[:_NAMED]))}{more}"
