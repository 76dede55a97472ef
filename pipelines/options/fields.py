"""What an options class asks for: names, types, defaults and texts, for flags, YAML and Python alike."""

from __future__ import annotations

import difflib
import inspect
import json
import math
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from itertools import chain
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from heatpool.pipelines.options.ranges import Range
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "Option",
    "OptionError",
    "as_plain",
    "check_ranges",
    "did_you_mean",
    "option_table",
    "read_value",
    "unknown_option",
]

# YAML's aliases make lists of lists that would fill the memory if they were written out.
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 100

_RENAMED = {
    "batch": "batch_size",
    "by": "group_by",
    "draws": "n_bootstrap",
    "film": "annotate",
    "lr": "learning_rate",
    "part": "split",
    "split": "protocol",
}
"""Options of earlier versions, each refused with its name of today where that is an option."""

_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", Path: "a path"}
_SHAPES = {bool: "true|false", int: "N", float: "X", str: "TEXT", Path: "PATH"}


class OptionError(HeatpoolError, ValueError):
    """An option that is unknown, lacks its value or does not go with another."""


@dataclass(frozen=True)
class Option:
    """One option of a command.

    Attributes:
        name: field of the options class.
        kind: the field's type, without None.
        optional: None is allowed too.
        default: value of the field; MISSING if it must be given.
        text: help, from the section `Attributes` of the class that defines the field.
        group: what it is listed under: the first line of that class' docstring; empty for the class itself.
        range: of a number.
    """

    name: str
    kind: Any
    optional: bool
    default: Any
    text: str
    group: str
    range: Range | None = None

    @property
    def flag(self) -> str:
        """The option as people type it."""
        return "--" + self.name.replace("_", "-")

    @property
    def required(self) -> bool:
        """There is no default."""
        return self.default is MISSING

    @property
    def choices(self) -> tuple[str, ...]:
        """All values, if there are only some."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def shape(self) -> str:
        """What stands for the value in the help."""
        if self.choices:
            return "{" + ",".join(self.choices) + "}"
        if get_origin(self.kind) is tuple:
            inner = _SHAPES.get(get_args(self.kind)[0], "[N,N]")
            return f"{inner},{inner}" + ",…" * (get_args(self.kind)[-1] is Ellipsis)
        return _SHAPES[self.kind]

    @property
    def help(self) -> str:
        """The text with the default, if there is one to tell and the text does not."""
        if self.required or self.default is None or self.default is False or self.default in ("", ()):
            return self.text
        if "default" in self.text:
            return self.text
        value = "yes" if self.default is True else self.default
        return f"{self.text} (default: {f'{value:g}' if isinstance(value, float) else value})"


def option_table(options: type[Any]) -> Mapping[str, Option]:
    """Return the options of a class by name: its own first, then those of each class it is made of."""
    hints = get_type_hints(options, include_extras=True)
    by_name = {field.name: field for field in fields(options)}
    table: dict[str, Option] = {}
    for owner in options.__mro__[:-1]:
        texts = _texts(owner)
        for name in (name for name in vars(owner).get("__annotations__", {}) if name in by_name):
            hint, optional = _without_none(hints[name])
            kind, limits = get_args(hint) if get_origin(hint) is Annotated else (hint, None)
            group = "" if owner is options else _first_line(owner)
            option = Option(name, kind, optional, by_name[name].default, texts.get(name, ""), group, limits)
            table.setdefault(name, option)
    return table


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, UnionType):
        return hint, False
    (kind,) = (each for each in get_args(hint) if each is not NoneType)
    return kind, True


def _first_line(owner: type[Any]) -> str:
    return (owner.__doc__ or "").splitlines()[0].rstrip(".")


def _texts(owner: type[Any]) -> dict[str, str]:
    """Read the section `Attributes` of a class' docstring."""
    _, _, section = inspect.cleandoc(owner.__doc__ or "").partition("\nAttributes:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line.startswith("     "):  # an entry goes on, deeper than it began
            texts[name] += " " + line.strip()
        elif line.strip():
            name, _, text = line.strip().partition(": ")
            texts[name] = text
    return texts


def read_value(option: Option, value: Any, spelling: str | None = None) -> Any:
    """Read a value from a flag, YAML or Python as the type of its option.

    Args:
        option: whose value it is.
        value: text, or a plain value of YAML or Python.
        spelling: how the option is written where the value came from; default its flag.

    Raises:
        OptionError: if it is none.
    """
    if value is None and option.optional:
        return None
    try:
        return _read(option.kind, value)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        near = did_you_mean(value, option.choices) if isinstance(value, str) else ""
        expected = f"expected {spelling or option.flag} to be {_kind_name(option.kind)}"
        raise OptionError(f"{expected}, got {_SHORT.repr(value)}{near}") from error


def _read(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise ValueError
        return value
    if get_origin(kind) is tuple:
        return _read_tuple(get_args(kind), value)
    if kind is bool:
        return value if isinstance(value, bool) else {"true": True, "false": False}[_text(value).lower()]
    if kind in (int, float):
        return _read_number(kind, value)
    return kind(str(value) if isinstance(value, int | float | Path) else _text(value))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _read_number(kind: type[int] | type[float], value: Any) -> int | float:
    if isinstance(value, bool) or (kind is int and isinstance(value, float) and value != int(value)):
        raise ValueError
    number = kind(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    """Read a list, or text with commas between values; lists in lists are JSON."""
    if isinstance(value, str):
        inner = value.strip().removeprefix("[").removesuffix("]")
        quoted = "[" in inner or '"' in inner
        value = json.loads(value) if quoted else [word.strip() for word in inner.split(",") if word.strip()]
    if not isinstance(value, list | tuple):
        raise TypeError
    if kinds[-1] is Ellipsis:
        kinds = kinds[:1] * len(value)
    return tuple(_read(kind, each) for kind, each in zip(kinds, value, strict=True))


def _kind_name(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is not tuple:
        return _KINDS[kind]
    inner, *more = get_args(kind)
    if get_origin(inner) is tuple:
        return "lists of numbers such as [[1,1],[2,2]]"
    count = f"{1 + len(more)} " if Ellipsis not in more else ""
    words = {int: "whole numbers", float: "numbers", str: "words"}[inner]
    return f"{count}{words} with commas between"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the known word that is like another, as the end of a message; empty if none is."""
    names = list(known)
    starts = [name for name in names if word and name.startswith(word)]
    near = starts if len(starts) == 1 else difflib.get_close_matches(word, names, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def unknown_option(word: str, table: Mapping[str, Option], where: str = "") -> OptionError:
    """Return what to raise for an option that a command does not have.

    Args:
        word: the option as it is written, with dashes in front or without.
        table: options of the command.
        where: end of the sentence that says where it stands.
    """
    dashes = "--" if word.startswith("--") else ""
    name = word.lstrip("-").replace("-", "_")
    known = {dashes + (each.replace("_", "-") if dashes else each): each for each in table}
    renamed = [written for written, each in known.items() if each == _RENAMED.get(name)]
    more = f"; it is now {renamed[0]}" if renamed else did_you_mean(word, known)
    return OptionError(f"unknown option {word}{where}{more}")


def as_plain(options: Any, *, changed: bool = False) -> dict[str, Any]:
    """Return options as YAML and JSON hold them and `--config` reads them; `changed`: without defaults."""
    table = option_table(type(options))
    values = {name: getattr(options, name) for name in table}
    return {
        name: str(value) if isinstance(value, Path) else json.loads(json.dumps(value))
        for name, value in values.items()
        if not changed or value != table[name].default
    }


def check_ranges(options: object) -> None:
    """Raise OptionError unless each number of an options class that is given lies within its range."""
    for option in option_table(type(options)).values():
        value = getattr(options, option.name)
        if option.range is None or value is None:
            continue
        for number in _numbers(value):
            if number not in option.range:
                raise OptionError(f"expected {option.flag} {option.range}, got {number:g}")


def _numbers(value: Any) -> Iterable[float]:
    return chain.from_iterable(map(_numbers, value)) if isinstance(value, tuple | list) else (value,)
