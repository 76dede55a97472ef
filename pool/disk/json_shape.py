"""What JSON of a known kind looks like, looked at before anything is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from heatpool.pool.errors import shorten

__all__ = ["Shape", "check_json"]

Shape: TypeAlias = type | Sequence["Shape"] | Mapping[Any, "Shape"]
"""A type, where `float` takes whole numbers, too; `[shape]` for a list of any length, `(shape, shape)` for
one of that length; for an object the shapes of some keys, of which those that end in `?` may be missing, or
`{...: shape}` for all values."""

_CALLED = {str: "a text", float: "a number", int: "a whole number", bool: "true or false", dict: "an object"}


def check_json(value: Any, shape: Shape, where: str = "it") -> None:
    """Check a value that was read from JSON.

    Args:
        value: of plain types.
        shape: that it has to have.
        where: it stands, for the error.

    Raises:
        ValueError: naming the place, such as `expected a text in class_names[0], got 7`.
    """
    if isinstance(shape, type):
        kinds = (int, float) if shape is float else (shape,)
        wrong = not isinstance(value, kinds) or (isinstance(value, bool) and shape is not bool)
        if wrong or (isinstance(value, int) and abs(value) >= 2**63):  # no float takes a number of any length
            raise ValueError(f"expected {_CALLED[shape]} in {where}, got {shorten(value)}")
    elif isinstance(shape, Mapping):
        check_json(value, dict, where)
        for name, inner, must in _keys(value, shape):
            if name in value:
                check_json(value[name], inner, name if where == "it" else f"{where}.{name}")
            elif must:
                raise ValueError(f"expected {name} in {where}, got none")
    elif isinstance(value, list) and (isinstance(shape, list) or len(value) == len(shape)):
        for number, each in enumerate(value):
            check_json(each, shape[number * isinstance(shape, tuple)], f"{where}[{number}]")
    else:
        of = f" of {len(shape)}" * isinstance(shape, tuple)
        raise ValueError(f"expected a list{of} in {where}, got {shorten(value)}")


def _keys(value: Mapping[str, Any], shape: Mapping[Any, Shape]) -> list[tuple[str, Shape, bool]]:
    """Keys to look at: name, shape, and whether it must be there."""
    found = [(name, shape[...], False) for name in value] if ... in shape else []
    named = ((name, inner) for name, inner in shape.items() if name is not ...)
    return found + [(name.rstrip("?"), inner, not name.endswith("?")) for name, inner in named]
