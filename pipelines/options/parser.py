"""The parser of one command, made of its options class: help in groups, flags, words, YAML."""

from __future__ import annotations

from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, RawDescriptionHelpFormatter
from collections.abc import Sequence
from functools import partial
from inspect import cleandoc
from pathlib import Path
from typing import Any, NoReturn

from heatpool.pipelines.options.fields import (
    Option,
    OptionError,
    option_table,
    read_value,
    unknown_option,
)

__all__ = ["CommandParser"]


class _ArgumentParser(ArgumentParser):
    """An argument parser that raises what it has to say."""

    def error(self, message: str) -> NoReturn:
        raise OptionError(message.removeprefix("argument "))


class CommandParser:
    """Reads the words after a command into its options.

    Args:
        name: of the command.
        options: its options class.
        bare: options that words without a flag stand for, in order; the last one may end in `...`: it takes
            all words that are left.
        examples: command lines for the help.
    """

    def __init__(self, name: str, options: type[Any], *, bare: str = "", examples: str = "") -> None:
        self._name, self._class, self._table = name, options, option_table(options)
        self._bare = [each.removesuffix("...") for each in bare.split()]
        self._takes_all = bare.endswith("...")
        self.argparse = self._build(examples)

    def help(self) -> str:
        """Return the whole help."""
        return self.argparse.format_help()

    def read(self, words: Sequence[str]) -> Any:
        """Read the words after a command; return its options.

        Raises:
            OptionError: if a word, a value or a file of options is wrong; the text is one line.
        """
        given = self._read_flags(words)
        values: dict[str, Any] = {}
        for path in given.pop("config", []):
            values |= self._read_yaml(Path(path))
        split = given.get("split", "train")
        if {"protocol", "split"} <= self._table.keys() and split not in self._table["split"].choices:
            raise OptionError(f"--split {split} is now --protocol {split}; --split is train, val or test")
        values |= {name: read_value(self._table[name], value) for name, value in given.items()}
        for option in self._table.values():
            if option.required and option.name not in values:
                word = f"{option.name.upper()} or " if option.name in self._bare else ""
                raise OptionError(f"expected {word}{option.flag} {self._shape(option)}")
        return self._class(**values)

    def _build(self, examples: str) -> ArgumentParser:
        words = [each.upper() for each in self._bare]
        if self._takes_all:
            words[-1] += "…"
        usage = [
            word if self._table[each].required else f"[{word}]"
            for each, word in zip(self._bare, words, strict=True)
        ]
        about, _, _ = cleandoc(self._class.__doc__ or "").partition("\n\nAttributes:\n")
        parser = _ArgumentParser(
            usage=" ".join(["heatpool", self._name, *usage, "[options]"]),
            description=about,
            epilog="examples:\n" + "\n".join(f"  {line}" for line in examples.splitlines()),
            formatter_class=partial(RawDescriptionHelpFormatter, max_help_position=28),
            add_help=False,
            allow_abbrev=False,
            argument_default=SUPPRESS,
        )
        titles = dict.fromkeys(option.group for option in self._table.values())
        groups = {title: parser.add_argument_group(title or "Options") for title in titles}
        for option in self._table.values():
            self._add(groups[option.group], option)
        more = parser.add_argument_group("More")
        more.add_argument("--config", metavar="FILE", action="append", help="YAML file with options")
        more.add_argument("--print-config", action="store_true", help="print all options as YAML, and stop")
        more.add_argument("-h", "--help", action="store_true", help="show this help, and stop")
        return parser

    def _add(self, group: Any, option: Option) -> None:
        text = option.help.replace("%", "%%")
        if option.kind is not bool:
            group.add_argument(option.flag, dest=option.name, metavar=self._shape(option), help=text)
        elif option.default is False:  # its negative is for what YAML says, and no news in the help
            group.add_argument(option.flag, dest=option.name, action="store_true", help=text)
            negative = option.flag.replace("--", "--no-")
            group.add_argument(negative, dest=option.name, action="store_false", help=SUPPRESS)
        else:
            group.add_argument(option.flag, dest=option.name, action=BooleanOptionalAction, help=text)

    def _shape(self, option: Option) -> str:
        return option.name.upper() if option.name in self._bare else option.shape

    def _read_flags(self, words: Sequence[str]) -> dict[str, Any]:
        """Return values by option, most of them still text; words without a flag get their options' names."""
        end = words.index("--") if "--" in words else len(words)
        found, rest = self.argparse.parse_known_args(self._spell(words[:end]))
        given = vars(found)
        for word in rest:
            if word.startswith("-") and not word[1:2].isdigit() and word != "-":
                raise unknown_option(word.partition("=")[0], self._table)
        rest += words[end + 1 :]
        free = [name for name in self._bare if name not in given]
        values: list[Any] = list(rest)
        if self._takes_all and self._bare[-1] in free and len(rest) >= len(free):
            values[len(free) - 1 :] = [rest[len(free) - 1 :]]
        if len(values) > len(free):
            raise OptionError(f"expected an option before {values[len(free)]!r}")
        return given | dict(zip(free, values, strict=False))

    def _spell(self, words: Sequence[str]) -> list[str]:
        """Let flags be written with underscores, and switches with true or false."""
        switches = {option.flag: option for option in self._table.values() if option.kind is bool}
        spelled: list[str] = []
        for word in words:
            flag, equals, value = word.partition("=")
            if not word.startswith("--"):
                flag, equals, value = word, "", ""
            flag = flag.replace("_", "-") if word.startswith("--") else flag
            if word.lower() in ("true", "false") and spelled and spelled[-1] in switches:
                flag, equals, value = spelled.pop(), "=", word
            if equals and flag in switches:
                yes = read_value(switches[flag], value)
                flag, equals, value = flag if yes else flag.replace("--", "--no-", 1), "", ""
            spelled.append(flag + equals + value)
        return spelled

    def _read_yaml(self, path: Path) -> dict[str, Any]:
        from heatpool.pool.disk.limits import parse_yaml  # few command lines need them
        from heatpool.pool.disk.text_files import read_text
        from heatpool.pool.errors import HeatpoolError

        try:
            content = parse_yaml(read_text(path)) or {}
        except HeatpoolError as error:
            raise OptionError(str(error)) from error
        except ValueError as error:
            raise OptionError(f"expected YAML in {path}: {error}") from error
        if not isinstance(content, dict):
            raise OptionError(f"expected options in {path}, one a line such as seed: 1")
        if isinstance(content.get("recipe"), dict):
            raise OptionError(
                f"{path} is of an older heatpool: move the keys of recipe but stream and device to the top, "
                "and write protocol for split, batch_size for batch, learning_rate for lr"
            )
        values = {}
        for key, value in content.items():
            name = str(key).replace("-", "_")
            if name not in self._table:
                raise unknown_option(str(key), self._table, where=f" in {path}")
            values[name] = read_value(self._table[name], value, spelling=f"{name} in {path}")
        return values
