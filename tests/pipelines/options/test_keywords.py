from __future__ import annotations

import inspect
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.keywords import takes_options
from heatpool.pool.errors import HeatpoolError


@dataclass(frozen=True)
class Cut:
    """Cut a cake.

    Attributes:
        cake: what to cut
        out: plate
        pieces: how many, with --even
            all alike
        even: alike
        shape: of the pieces
    """

    cake: str
    out: Path | None = None
    _: KW_ONLY
    pieces: int = 8
    even: bool = False
    shape: Literal["wedge", "square"] = "wedge"

    def __post_init__(self) -> None:
        if self.even and self.shape == "square":
            raise OptionError("expected --even-shape wedge with --even")


@takes_options(Cut)
def cut(cake: str, **options: Any) -> Cut:
    """Cut."""
    return Cut(cake, **options)


def test_the_signature_names_the_options() -> None:
    names = list(inspect.signature(cut).parameters)
    assert names == ["cake", "out", "pieces", "even", "shape"]
    pieces = inspect.signature(cut).parameters["pieces"]
    assert (pieces.kind, pieces.default, pieces.annotation) == (pieces.KEYWORD_ONLY, 8, int)
    assert inspect.signature(cut).parameters["out"].annotation == Path | None


def test_the_docstring_explains_them_in_the_words_of_python() -> None:
    assert cut.__doc__ is not None
    assert "    pieces: how many, with even all alike\n" in cut.__doc__
    assert "cake:" not in cut.__doc__


def test_values_are_read_as_those_of_flags() -> None:
    assert cut("sponge", out="plate", pieces="4") == Cut("sponge", Path("plate"), pieces=4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"piece": 3}, "unknown option piece; did you mean pieces?"),
        ({"pieces": "many"}, "expected pieces to be a whole number, got 'many'"),
        ({"pieces": None}, "expected pieces to be a whole number, got None"),
        ({"shape": "sq"}, "expected shape to be one of wedge, square, got 'sq'; did you mean square?"),
        ({"even": True, "shape": "square"}, "expected even_shape wedge with even"),
    ],
)
def test_what_is_wrong_is_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(HeatpoolError) as error:
        cut("sponge", **options)
    assert str(error.value) == message


def test_a_method_may_set_options_itself() -> None:
    class Baker:
        @takes_options(Cut, without=("cake",))
        def cut(self, out: str | None = None, **options: Any) -> Cut:
            return Cut("sponge", Path(out) if out else None, **options)

    assert list(inspect.signature(Baker().cut).parameters) == ["out", "pieces", "even", "shape"]
    assert Baker().cut("plate", pieces=2) == Cut("sponge", Path("plate"), pieces=2)
    with pytest.raises(HeatpoolError, match="unknown option cake"):
        Baker().cut(cake="plum")
