"""Which clips of a store are wanted: by split, by class, by the text in a column of the manifest.

Axis letter: N clips.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import Split
from heatpool.pool.store.index import IndexReader

__all__ = ["SplitName", "Wanted", "as_split", "in_classes", "in_column"]

SplitName = Literal["train", "val", "test"]
Wanted = str | Sequence[str]
"""A text, or several of which any will do."""


def as_split(split: Split | SplitName) -> Split:
    """The code of a split's name. Raises HeatpoolError for another word."""
    try:
        return split if isinstance(split, Split) else Split[split.upper()]
    except KeyError:
        raise HeatpoolError(f"expected split train, val or test, got {split!r}") from None


def in_classes(labels: np.ndarray, class_names: Sequence[str], wanted: Sequence[str | int]) -> np.ndarray:
    """(N,) bool, clips of the wanted classes.

    Args:
        labels: (N,) int32.
        class_names: names in label order.
        wanted: class names or numbers.

    Raises:
        HeatpoolError: if there is no such class.
    """
    numbers = []
    for each in (wanted,) if isinstance(wanted, str) else wanted:
        number = class_names.index(each) if isinstance(each, str) and each in class_names else each
        if not isinstance(number, int | np.integer) or not 0 <= number < len(class_names):
            raise HeatpoolError(
                f"expected classes among {shorten(list(class_names), limit=200)}, got {each!r}"
            )
        numbers.append(int(number))
    return np.isin(labels, numbers)


def in_column(index: IndexReader, name: str, wanted: Wanted) -> np.ndarray:
    """(N,) bool, clips whose manifest column has one of the wanted texts ("" = unknown).

    Raises:
        HeatpoolError: if no clip of the store has one of the texts.
    """
    texts = [wanted] if isinstance(wanted, str) else list(wanted)
    values, categories = index.array(name), index.categories(name)
    if categories is None:
        chosen = set(texts)
        found = np.fromiter((text in chosen for text in values), bool, len(values))
        unknown = chosen - set(values[found].tolist())
    else:
        code = {text: number for number, text in enumerate(categories)} | {"": -1}
        unknown = set(texts) - set(code)
        found = np.isin(values, [code[text] for text in texts if text in code])
    if unknown:
        known = "" if categories is None else f" among {shorten(list(categories), limit=200)}"
        raise HeatpoolError(
            f"{index.source.name}: expected values of {name}{known}, got {shorten(sorted(unknown))}"
        )
    return found
