"""The program `heatpool`: options from flags or YAML, one clear line for each error, exit codes.

Exit codes: 0 good; 1 error; 2 usage; 3 finished, but some clips failed; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import fields
from importlib import import_module
from typing import Any, NoReturn, get_type_hints

from jsonargparse import ActionConfigFile, ArgumentParser, DefaultHelpFormatter

from heatpool.pipelines.command_table import COMMANDS, GROUPS, Command
from heatpool.pool.errors import HeatpoolError

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code."""
    # Threads that wait for each other must sleep, not spin: with one core taken by something else, spinning
    # made the networks ten times slower here. OpenMP reads this when torch is imported, which is below.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = _named(arguments)
    try:
        config = _parse(arguments, name)
        run: Callable[[Any], int] = import_module(COMMANDS[name].module).run
        return run(config)
    except HeatpoolError as error:
        print(f"heatpool {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"heatpool {name}: interrupted; what was finished is kept", file=sys.stderr)
        return 130


def _named(arguments: Sequence[str]) -> str:
    """Return the command that a command line begins with, empty if there is none."""
    words = [word for word in arguments[:2] if not word.startswith("-")]
    return next((name for name in (" ".join(words[:2]), "".join(words[:1])) if name in COMMANDS), "")


class _Parser(ArgumentParser):
    """An argument parser that answers bad usage with one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        text = " ".join(str(message).split())
        print(f"{self.prog.split(' [')[0]}: {text}; see --help", file=sys.stderr)
        raise SystemExit(2)


class _Formatter(DefaultHelpFormatter):
    """Help with options as people type them, and examples as they are written."""

    def _format_action_invocation(self, action: Any) -> str:
        return super()._format_action_invocation(action).replace("_", "-")

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(indent + line for line in text.splitlines())


def _parse(arguments: Sequence[str], name: str) -> Any:
    parser = _Parser(
        prog=f"heatpool {name}".strip(),
        description="Actions from pooled heatmap features.",
        formatter_class=_Formatter,
    )
    commands = parser.add_subcommands(required=True)
    groups = {group: _group(commands, group) for group in GROUPS}
    for each, command in COMMANDS.items():
        group, _, word = each.rpartition(" ")
        target = groups[group] if group else commands
        target.add_subcommand(word, _subparser(each, command), help=_summary(command.config))
    parsed = parser.parse_args(_spell(arguments, name))
    for word in name.split():
        parsed = parsed[word]
    values = parsed.as_dict()
    values.pop("config", None)
    try:
        return COMMANDS[name].config(**values)
    except ValueError as error:
        parser.error(str(error))


def _group(commands: Any, group: str) -> Any:
    """Add a group of commands; return what its commands are added to."""
    parser = _Parser(prog=f"heatpool {group}", description=GROUPS[group], formatter_class=_Formatter)
    commands.add_subcommand(group, parser, help=GROUPS[group])
    return parser.add_subcommands(required=True)


def _subparser(name: str, command: Command) -> ArgumentParser:
    parser = _Parser(
        prog=f"heatpool {name}",
        usage=f"heatpool {name} [options]",
        description=_summary(command.config),
        epilog="examples:\n" + "\n".join(f"  {line}" for line in command.examples.splitlines()),
    )
    parser.add_argument("--config", action=ActionConfigFile, help="YAML file with any of these options")
    parser.add_class_arguments(command.config, as_group=False)
    return parser


def _summary(config: type[Any]) -> str:
    return (config.__doc__ or "").splitlines()[0]


def _spell(arguments: Sequence[str], name: str) -> list[str]:
    """Let options be written with dashes, switches without a value, and some options without their names."""
    if not name:
        return list(arguments)
    command = COMMANDS[name]
    hints = get_type_hints(command.config)
    switches = {field.name for field in fields(command.config) if hints[field.name] is bool}
    start = len(name.split())
    spelled, bare = list(arguments[:start]), list[str]()
    words = deque(arguments[start:])
    while words:
        option, equals, value = words.popleft().partition("=")
        if not option.startswith("--"):
            word = option + equals + value
            (spelled if word.startswith("-") else bare).append(word)
            continue
        key = option[2:].replace("-", "_")
        has_value = bool(words) and not words[0].startswith("--")
        if key in switches and not equals and not (has_value and words[0].lower() in ("true", "false")):
            spelled.append(f"--{key}=true")
        elif equals:
            spelled.append(f"--{key}={value}")
        else:
            spelled.append(f"--{key}")
            if has_value:
                spelled.append(words.popleft())
    return spelled + _name_words(bare, command.bare.split())


def _name_words(words: Sequence[str], names: Sequence[str]) -> list[str]:
    """Give words without dashes the options that they stand for; words too many stay as they are."""
    if names and names[0].endswith("...") and words:
        return [f"--{names[0].removesuffix('...')}={json.dumps(words)}"]
    named = [f"--{name}={word}" for name, word in zip(names, words, strict=False)]
    return named + list(words[len(named) :])
