"""Every number among the options has a range; what lies outside it is refused with the range."""

from __future__ import annotations

import math
from typing import Any, get_args, get_origin

import pytest

from heatpool.pipelines.command_table import COMMANDS
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.options.fields import Option, OptionError, option_table
from heatpool.pipelines.options.ranges import Range


def leaves(kind: Any) -> list[Any]:
    """What a tuple holds, or the kind itself."""
    if get_origin(kind) is not tuple:
        return [kind]
    return [leaf for inner in get_args(kind) if inner is not Ellipsis for leaf in leaves(inner)]


def numbers_of(options: type[Any]) -> list[Option]:
    return [option for option in option_table(options).values() if {int, float} & set(leaves(option.kind))]


def written(option: Option, number: float) -> str:
    """The number as a flag has it, as often as the option needs it."""
    text = f"{number:.0f}" if math.isfinite(number) and number == round(number) else f"{number:g}"
    inner = ",".join([text] * len(leaves(option.kind)))
    return f"[[{inner}]]" if "[N,N]" in option.shape else inner


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_of_every_command_has_a_range_that_holds_its_default(command: str) -> None:
    for option in numbers_of(COMMANDS[command].options):
        assert option.range is not None, f"{option.flag} lacks its range: Annotated[int, Range(1, 10)]"
        if option.default not in (None, ()) and not option.required:
            assert option.default in option.range, option.flag


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_outside_is_refused(command: str) -> None:
    parser, table = COMMANDS[command].parser(command), option_table(COMMANDS[command].options)
    needed = [f"{each.flag}={'1' if each.range else '1,1'}" for each in table.values() if each.required]
    for option in numbers_of(COMMANDS[command].options):
        assert option.range is not None
        for outside in (option.range.least - 1, option.range.most + 1, 1e300, -1e300, math.nan, math.inf):
            if outside in option.range:  # 0 where that stands for none
                continue
            with pytest.raises(OptionError, match=f"expected {option.flag} ") as error:
                parser.read([*needed, f"{option.flag}={written(option, outside)}"])
            if math.isfinite(outside):
                assert str(option.range) in str(error.value)


def test_a_range_says_itself() -> None:
    assert str(Range(1, 10_000)) == "from 1 to 10,000"
    assert str(Range(0, 1, above=True)) == "above 0 and up to 1"
    assert str(Range(0.01, 1e6, or_zero=True)) == "from 0.01 to 1,000,000, or 0"
    held = [number in Range(0.5, 2, above=True, or_zero=True) for number in (0, 0.5, 1, 2, 3, math.nan)]
    assert held == [True, False, True, True, False, False]


def test_options_made_in_python_are_checked_too() -> None:
    with pytest.raises(OptionError, match="expected --persons from 1 to 255, got 256"):
        ExtractOptions(persons=256)
    with pytest.raises(OptionError, match="expected --onnx-size from 8 to 8,192, got 0"):
        ExtractOptions(onnx_size=(256, 0))
