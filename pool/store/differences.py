"""What differs between two descriptions of a store, said in one short line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from heatpool.pool.records import ClipIndex

__all__ = ["find_difference", "find_index_difference", "shorten"]


def shorten(value: object, *, limit: int = 60) -> str:
    """`repr` of a value, cut to `limit` characters for an error line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def find_difference(stored: Mapping[str, Any], given: Mapping[str, Any], *, prefix: str = "") -> str:
    """The first entry in which two nested mappings differ, "" when they are equal."""
    for key in sorted({*stored, *given}):
        old, new = stored.get(key), given.get(key)
        if old == new and (key in stored) == (key in given):
            continue
        name = f"{prefix}{key}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            return find_difference(old, new, prefix=f"{name}.")
        old_text, new_text = (shorten(m[key]) if key in m else "nothing" for m in (stored, given))
        return f"{name}: {old_text} in the store, {new_text} given"
    return ""


def find_index_difference(stored: ClipIndex, given: ClipIndex) -> str:
    """What differs first between two indices, "" when they are equal."""
    if len(stored) != len(given):
        return f"{len(stored)} clips in the store, {len(given)} given"
    if stored.class_names != given.class_names:
        return f"class_names: {shorten(stored.class_names)} in the store, {shorten(given.class_names)} given"
    for kind in ("columns", "splits"):
        names = [sorted(getattr(index, kind)) for index in (stored, given)]
        if names[0] != names[1]:
            return f"{kind}: {shorten(names[0])} in the store, {shorten(names[1])} given"
    fields: list[tuple[str, Sequence, Sequence]] = [
        ("clip_id", stored.clip_id, given.clip_id),
        ("path", stored.path, given.path),
        ("label", stored.label.tolist(), given.label.tolist()),
    ]
    fields += [(f"column {k}", v, given.columns[k]) for k, v in stored.columns.items()]
    fields += [(f"split {k}", v.tolist(), given.splits[k].tolist()) for k, v in stored.splits.items()]
    for name, old, new in fields:
        if old != new:
            row = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
            return f"{name} of row {row}: {shorten(old[row])} in the store, {shorten(new[row])} given"
    return ""
