"""`heatpool completion`: a script for the shell, made of the same parsers as the help."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from heatpool.pipelines.command_table import COMMANDS, GROUPS
from heatpool.pipelines.options.completion import CompletionOptions
from heatpool.pipelines.options.exit_codes import GOOD
from heatpool.pipelines.options.fields import option_table

__all__ = ["run"]


def run(options: CompletionOptions) -> int:
    """Print the script."""
    import shtab  # only here

    print(shtab.complete(_whole_parser(shtab.FILE), options.shell))
    return GOOD


def _whole_parser(files: Any) -> ArgumentParser:
    """Return one parser of all commands; `files` marks what names files."""
    whole = ArgumentParser("heatpool", allow_abbrev=False)
    commands = whole.add_subparsers()
    groups = {
        group: commands.add_parser(group, help=text.rstrip(".")).add_subparsers()
        for group, text in GROUPS.items()
    }
    for name, command in COMMANDS.items():
        group, _, word = name.rpartition(" ")
        made = command.parser(name).argparse
        for action in made._actions:
            option = option_table(command.options).get(action.dest)
            if option is not None and option.choices:
                action.choices = option.choices
            elif option is not None and option.kind in (str, Path):
                action.complete = files  # type: ignore[attr-defined]
        own = (groups[group] if group else commands).add_parser(
            word, parents=[made], add_help=False, help=command.summary.rstrip(".")
        )
        own.add_argument("words", nargs="*").complete = files  # type: ignore[attr-defined]
    return whole
