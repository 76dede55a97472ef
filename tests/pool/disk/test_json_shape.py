"""JSON of another shape than is expected is refused, with its place."""

from __future__ import annotations

from typing import Any

import pytest

from heatpool.pool.disk.json_shape import Shape, check_json

SHAPE: Shape = {
    **{"name": str, "sizes": [int], "rates": {...: float}},
    **{"made?": {"by?": [{"on": bool}]}, "xy?": (int, float)},
}


@pytest.mark.parametrize(
    "value",
    [
        {"name": "", "sizes": [], "rates": {}},
        {"name": "a", "sizes": [1, 2**62], "rates": {"b": 1, "c": 0.5}, "else": None},
        {"name": "a", "sizes": [], "rates": {}, "xy": [1, 0.5]},
        {"name": "a", "sizes": [0], "rates": {}, "made": {"by": [{"on": True}, {"on": False, "x": 1}]}},
    ],
)
def test_what_has_the_shape_passes(value: Any) -> None:
    check_json(value, SHAPE)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": 7}, "expected a text in name, got 7"),
        ({"name": None}, "expected a text in name, got None"),
        ({"sizes": 3}, "expected a list in sizes, got 3"),
        ({"sizes": [1, 1.5]}, r"expected a whole number in sizes\[1\], got 1.5"),
        ({"sizes": [10**400]}, r"expected a whole number in sizes\[0\], got 1000"),
        ({"rates": {"b": -(10**400)}}, "expected a number in rates.b, got -1000"),
        ({"sizes": [True]}, r"expected a whole number in sizes\[0\], got True"),
        ({"rates": []}, r"expected an object in rates, got \[\]"),
        ({"rates": {"b": "1"}}, "expected a number in rates.b, got '1'"),
        ({"rates": {"b": False}}, "expected a number in rates.b, got False"),
        ({"xy": [1]}, r"expected a list of 2 in xy, got \[1\]"),
        ({"xy": [0.5, 1]}, r"expected a whole number in xy\[0\], got 0.5"),
        ({"made": None}, "expected an object in made, got None"),
        ({"made": {"by": [{}]}}, r"expected on in made.by\[0\], got none"),
        ({"made": {"by": [{"on": 1}]}}, r"expected true or false in made.by\[0\].on, got 1"),
    ],
)
def test_what_has_not_is_named_with_its_place(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_json({"name": "a", "sizes": [], "rates": {}, **change}, SHAPE)


@pytest.mark.parametrize("value", [None, [], "x", {"name": "a", "rates": {}}])
def test_what_is_no_such_object_at_all(value: Any) -> None:
    with pytest.raises(ValueError, match="expected"):
        check_json(value, SHAPE)
