"""One thing that is not as it should be, and how such lines name what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

__all__ = ["Finding", "count_of", "row_tuple", "some_of"]

_NAMED = 5  # values that a message writes out
_LONGEST = 60  # letters of each; of longer ones start and end


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        level: error = results would be wrong, warning = look at it.
        check: which check found it; one word.
        message: one line.
        rows: clips it is about.
    """

    level: Literal["error", "warning"]
    check: str
    message: str
    rows: tuple[int, ...] = ()


def row_tuple(rows: np.ndarray) -> tuple[int, ...]:
    """Return rows (n,) as a finding keeps them."""
    return tuple(rows.tolist())


def count_of(values: Sequence[str], noun: str) -> str:
    """Return how many values there are; `noun` is in the plural, such as `classes`."""
    singular = {"classes": "class"}.get(noun, noun.removesuffix("s"))
    return f"{len(values)} {noun if len(values) > 1 else singular}"


def some_of(values: Iterable[str]) -> str:
    """Return the first five values and how many there are."""
    names = sorted(values, key=lambda name: (len(name), name))
    more = f", … ({len(names)})" if len(names) > _NAMED else ""
    shown = (
        name if len(name) <= _LONGEST else f"{name[: _LONGEST - 20]}…{name[-19:]}" for name in names[:_NAMED]
    )
    return ", ".join(shown) + more
