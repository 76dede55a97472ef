"""Options of a command as keyword arguments of a function, with names and texts where Tab and `help` look."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from heatpool.pipelines.options.fields import (
    Option,
    OptionError,
    option_table,
    read_value,
    unknown_option,
)

__all__ = ["takes_options"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
_Function = Callable[_Arguments, _Result]


def takes_options(
    options: type[Any], *, without: tuple[str, ...] = ()
) -> Callable[[_Function[_Arguments, _Result]], _Function[_Arguments, _Result]]:
    """Give a function that takes `**options` the options of a class as keyword-only parameters.

    The signature and the docstring name them. In a call, values are read as a command line's are (text for a
    path, a list for a tuple); an unknown name or a bad value is an `OptionError`, a `HeatpoolError`.

    Args:
        options: options class of a command.
        without: options that the function sets itself; those it names as parameters are left out anyway.
    """

    def decorate(function: _Function[_Arguments, _Result]) -> _Function[_Arguments, _Result]:
        signature = inspect.signature(function)
        own = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
        named = {each.name for each in own}
        table = {
            name: option for name, option in option_table(options).items() if name not in {*named, *without}
        }

        @wraps(function)
        def call(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
            read: dict[str, Any] = {}
            for name, value in kwargs.items():
                if name not in table and name not in named:
                    raise unknown_option(name, table)
                read[name] = value if name in named else read_value(table[name], value, spelling=name)
            try:
                return function(*args, **read)
            except OptionError as error:  # of options that do not go together, written as flags
                raise OptionError(_flags_as_names(str(error))) from error

        call.__signature__ = signature.replace(  # type: ignore[attr-defined]
            parameters=[*own, *map(_parameter, table.values())]
        )
        call.__doc__ = f"{inspect.cleandoc(function.__doc__ or '')}\n\nKeyword Args:\n" + "\n".join(
            f"    {option.name}: {_flags_as_names(option.text)}" for option in table.values()
        )
        return call

    return decorate


def _parameter(option: Option) -> inspect.Parameter:
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else option.default,
        annotation=option.kind | None if option.optional else option.kind,
    )


def _flags_as_names(text: str) -> str:
    return re.sub(r"--([a-z][a-z-]*)", lambda flag: flag[1].replace("-", "_"), text)
