"""Every option of every command has help text, in an environment with nothing but what setup.cfg asks for."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from heatpool.pipelines.command_table import COMMANDS
from heatpool.pipelines.options.fields import option_table

# What once made the difference between our machines and a fresh install is taken away.
CODE = """
import sys
for name in ("docstring_parser", "typeshed_client", "jsonargparse", "shtab", "yaml"):
    sys.modules[name] = None
from heatpool.pipelines.cli import main
from heatpool.pipelines.command_table import COMMANDS
for name in COMMANDS:
    print("#", name)
    main([*name.split(), "--help"])
"""


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    texts = re.split(r"^# (.+)\n", done.stdout, flags=re.MULTILINE)[1:]
    return dict(zip(texts[::2], texts[1::2], strict=True))


def help_texts(page: str) -> dict[str, str]:
    """Help by option: what stands beside an option's name, or below it, deeper."""
    texts: dict[str, str] = {}
    name = ""
    for line in page.partition("examples:\n")[0].splitlines():
        begun = re.match(r"  (?:-h, )?(--[a-z0-9-]+)(?:\S* ?\S*?)?(?:, --no-\S+)?(?:  +(\S.*))?$", line)
        if begun:
            name = begun[1]
            texts[name] = begun[2] or ""
        elif line.startswith(" " * 10) and name:
            texts[name] += " " + line.strip()
        else:
            name = ""
    return texts


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help(command: str, pages: dict[str, str]) -> None:
    texts = help_texts(pages[command])
    flags = {option.flag for option in option_table(COMMANDS[command].options).values()}
    assert set(texts) == flags | {"--config", "--print-config", "--help"}
    bare = [flag for flag, text in texts.items() if len(text.strip()) < 4 or not re.search("[a-z]{2}", text)]
    assert bare == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help_holds_no_python(command: str, pages: dict[str, str]) -> None:
    for word in (
        "typing",
        "Literal",
        "Union",
        "Optional",
        "<class",
        "Path_",
        "None",
        "MISSING",
        "==SUPPRESS",
    ):
        assert word not in pages[command]


def test_defaults_are_shown_once(pages: dict[str, str]) -> None:
    for page in pages.values():
        for flag, text in help_texts(page).items():
            assert text.count("default") <= 1, flag


def test_summaries_fit_the_list_of_commands() -> None:
    for name, command in COMMANDS.items():
        assert 10 < len(command.summary) <= 64, name
        assert command.summary.endswith(".")
