"""Other labels, classes, splits and columns for the clips of a store, found by id or by video and time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from heatpool.pool.disk.class_names import one_form
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import ClipIndex, Split

__all__ = ["Joined", "join_index"]

_WINDOW = re.compile(r"@(\d+\.\d\d)-(\d+\.\d\d)$")
"""End of the id of a clip that was cut out of a video: from and to in seconds."""

Span = tuple[float, float | None]
"""Start and end in a video, seconds; no end means the end of the video."""


@dataclass(frozen=True, eq=False)
class Joined:
    """An index of a store's clips, in their order, with what another index says of them.

    Attributes:
        index: of all clips of the store.
        found: (N,) bool, clips that the other index has; the rest is unlabelled and in no split.
        unknown: clips of the other index that the store lacks.
    """

    index: ClipIndex
    found: np.ndarray
    unknown: int


def join_index(stored: ClipIndex, given: ClipIndex, *, spans: Sequence[Span] = ()) -> Joined:
    """Lay an index over that of a store.

    A clip of the store is found by its id, in whatever form of Unicode; else by path and window, as its id
    ends in `@start-end`; else by
    its path, where that of a whole video is given: all windows of the video then get what is said of it.
    What is named by a path twice is not found by it, and a clip that was found by its id finds no other.

    Labels (with the class names), splits (with their rules) and each column come from `given` where it has
    them; a kind that it has nothing of stays as in the store.

    Args:
        stored: of the store.
        given: what is to be laid over it.
        spans: start and end of each clip of `given`; default: whole videos.

    Raises:
        HeatpoolError: if no clip of the store is found.
    """
    source = _find(stored, given, spans or [(0.0, None)] * len(given))
    found = source >= 0
    if not found.any():
        both = set(stored.path).intersection(given.path)
        if both:
            raise HeatpoolError(
                f"none of {len(given)} clips is in the store, though videos such as {shorten(min(both))} "
                "are: expected clip ids or times as it has them, one row of a whole video"
            )
        raise HeatpoolError(
            f"none of {len(given)} clips is in the store: expected a clip_id or path as it has them, such as "
            f"{shorten(stored.clip_id[0])} or {shorten(stored.path[0])}, got {shorten(given.clip_id[0])} and "
            f"{shorten(given.path[0])}"
        )

    labels = given if (given.label >= 0).any() else stored
    splits = given if any(part.any() for part in given.splits.values()) else stored

    def laid(values: np.ndarray, of: ClipIndex, missing: int) -> np.ndarray:
        in_place = values if of is stored else values[source]
        return np.where(found, in_place, values.dtype.type(missing))

    columns = {
        name: tuple(values[at] if at >= 0 else "" for at in source.tolist())
        for name, values in given.columns.items()
    }
    index = replace(
        stored,
        label=laid(labels.label, labels, -1),
        class_names=labels.class_names,
        columns={**stored.columns, **columns},
        splits={name: laid(values, splits, Split.NONE) for name, values in splits.splits.items()},
        disjoint=splits.disjoint,
    )
    return Joined(index, found, len(given) - len(np.unique(source[found])))


def _find(stored: ClipIndex, given: ClipIndex, spans: Sequence[Span]) -> np.ndarray:
    """(N,) int64, place in `given` of each clip of the store, -1 for none."""
    by_id = {name: place for place, name in enumerate(given.clip_id)}
    by_form = _unique([one_form(name) for name in given.clip_id])
    known = {one_form(name) for name in stored.clip_id}  # who is found by id says nothing of its video
    others = zip(given.clip_id, map(one_form, given.path), spans, strict=True)
    by_span = _unique(
        [None if one_form(name) in known else (path, _rounded(span)) for name, path, span in others]
    )
    source = np.full(len(stored), -1, np.int64)
    for row, (name, path) in enumerate(zip(stored.clip_id, map(one_form, stored.path), strict=True)):
        window = _WINDOW.search(name)
        keys = [(path, window.groups())] if window else []
        ids = by_id.get(name), by_form.get(one_form(name))
        places = (*ids, *(by_span.get(key) for key in keys), by_span.get((path, None)))
        source[row] = next((place for place in places if place is not None), -1)
    return source


def _rounded(span: Span) -> tuple[str, ...] | None:
    """A window as ids of clips write it; None for a whole video."""
    start, end = span
    if end is None:
        return None if start == 0 else ("to the end",)
    return f"{start:.2f}", f"{end:.2f}"


def _unique(keys: Sequence[Hashable]) -> dict[Hashable, int]:
    counts = Counter(keys)
    return {key: place for place, key in enumerate(keys) if key is not None and counts[key] == 1}
