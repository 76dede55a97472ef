"""The program `heatpool`: options from flags or YAML, one clear line for each error, exit codes.

Exit codes: 0 good; 1 error; 2 usage; 3 finished, but some clips failed; 130 interrupted; 141 nobody reads on.
"""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from io import TextIOBase
from typing import Any, TextIO, cast

from heatpool.pipelines.command_table import COMMANDS, GROUPS, SECTIONS
from heatpool.pipelines.options.exit_codes import ERROR, GOOD, INTERRUPTED, PIPE_CLOSED, USAGE
from heatpool.pipelines.options.fields import OptionError, as_plain, did_you_mean
from heatpool.pool.disk.accidents import explain_accident
from heatpool.pool.errors import HeatpoolError

__all__ = ["main", "read_command"]

_HELP = {"-h", "--help"}
_PRINT_CONFIG = {"--print-config", "--print_config"}
# Text of others, such as names of clips, must not move a terminal's cursor, colour it or turn lines around.
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}
_CONTROLS = ({*range(32), *range(127, 160)} | _DIRECTIONS) - {ord("\n"), ord("\t")}
_ESCAPED = {code: ascii(chr(code))[1:-1] for code in _CONTROLS}
_LONGEST_LINE = 4000
_EXTRAS = {"onnx": "onnx", "onnxruntime": "onnx", "transformers": "hf", "obstore": "s3"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code.

    Raises:
        SystemExit: with 2, after a line that says what is wrong with the command line.
    """
    # Threads that wait for each other must sleep, not spin: with one core taken by something else, spinning
    # made the networks ten times slower here. OpenMP reads this when torch is imported, which is below.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if argv is None else argv)
    name = _command_name(words)
    program = f"heatpool {name}".strip()
    try:
        with redirect_stdout(cast(TextIO, _PlainOutput(sys.stdout))):
            code = _run(name, words)
        sys.stdout.flush()
    except OptionError as error:
        _say(f"{program}: {error}; see --help")
        raise SystemExit(USAGE) from None
    except HeatpoolError as error:
        _say(f"{program}: {error}")
        return ERROR
    except ImportError as error:
        extra = _EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        _say(f"{program}: {error.name} is not installed: pip install 'heatpool[{extra}]'")
        return ERROR
    except KeyboardInterrupt:
        _say(f"{program}: interrupted; what was finished is kept")
        return INTERRUPTED
    except Exception as error:  # whatever a command did not foresee of the system it runs on
        if isinstance(error, BrokenPipeError) and _stdout_is_closed():
            return PIPE_CLOSED
        accident = explain_accident(error)
        if accident is None:  # a fault of ours: its traceback tells where
            raise
        _say(f"{program}: {accident}")
        return ERROR
    return code


def _say(line: str) -> None:
    """Print a line to stderr, as one line of a bounded length whatever text of others it holds."""
    plain = _plain_text(" ".join(line.splitlines()))
    print(plain if len(plain) <= _LONGEST_LINE else f"{plain[: _LONGEST_LINE - 1]}…", file=sys.stderr)


def read_command(words: Sequence[str]) -> Any:
    """Return the options that a command line asks for, command first.

    Raises:
        OptionError: if it asks for what there is not.
    """
    name = _command_name(words)
    return COMMANDS[name].parser(name).read(words[len(name.split()) :])


def _run(name: str, words: Sequence[str]) -> int:
    if name not in COMMANDS:
        return _run_none(name, words)
    command = COMMANDS[name]
    parser = command.parser(name)
    words = words[len(name.split()) :]
    if _HELP & set(words):
        print(parser.help(), end="")
        return GOOD
    options = parser.read([word for word in words if word not in _PRINT_CONFIG])
    if _PRINT_CONFIG & set(words):
        import yaml  # only here

        print(yaml.safe_dump(as_plain(options), sort_keys=False), end="")
        return GOOD
    with _logs_on_stderr(quiet=getattr(options, "quiet", False)):
        run: Callable[[Any], int] = import_module(f"heatpool.pipelines.commands.{name.split()[0]}").run
        return run(options)


def _command_name(words: Sequence[str]) -> str:
    """Return the command that a command line begins with, or the group, empty if there is none."""
    for count in (2, 1):
        name = " ".join(words[:count])
        if name in COMMANDS or name in GROUPS:
            return name
    return ""


def _run_none(group: str, words: Sequence[str]) -> int:
    """Answer a command line without command.

    Raises:
        OptionError: if it asks for what there is not.
    """
    words = words[len(group.split()) :]
    if _HELP & set(words[:1]):
        print(_help_of_group(group) if group else _help())
        return GOOD
    if words[:1] == ["--version"] and not group:
        import heatpool

        print(f"heatpool {heatpool.__version__}")
        return GOOD
    known = [name.removeprefix(f"{group} ") for name in COMMANDS if name.startswith(f"{group} ".lstrip())]
    if not words:
        raise OptionError(f"expected a command: {', '.join(known)}")
    if words[0].startswith("-"):
        raise OptionError(f"expected a command before {words[0]}")
    near = did_you_mean(words[0], known if group else [*known, *GROUPS])
    raise OptionError(f"unknown command {words[0]!r}{near}")


def _help() -> str:
    lines = [
        "usage: heatpool COMMAND [options]",
        "",
        "Actions from pooled heatmap features: extract once, train often.",
    ]
    for title, names in SECTIONS.items():
        lines += ["", f"{title}:", *_lines(names)]
    lines += [
        "",
        "further:",
        "  --version       Say the version",
        "  COMMAND --help  Explain a command, with examples",
    ]
    return "\n".join(lines)


def _help_of_group(group: str) -> str:
    names = [name for name in COMMANDS if name.startswith(f"{group} ")]
    return "\n".join([f"usage: heatpool {group} COMMAND [options]", "", GROUPS[group], "", *_lines(names)])


def _lines(names: Sequence[str]) -> list[str]:
    return [f"  {name:16}{COMMANDS[name].summary.rstrip('.')}" for name in names]


@contextmanager
def _logs_on_stderr(*, quiet: bool) -> Iterator[None]:
    """Show what the package logs, as plain lines."""
    logger, handler = logging.getLogger("heatpool"), _StderrHandler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _plain_text(text: str) -> str:
    """Return a text whose control characters are written out, but for ends of lines and tabs."""
    return text.translate(_ESCAPED)


class _PlainOutput(TextIOBase):
    """Prints plain text to a stream, with letters that its encoding lacks written out."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(_plain_text(text).encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()


class _StderrHandler(logging.Handler):
    """Writes above the progress bars, if there are any."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm = sys.modules.get("tqdm")  # without it, nobody draws bars
        (tqdm.tqdm.write if tqdm else print)(_plain_text(self.format(record)), file=sys.stderr)


def _stdout_is_closed() -> bool:
    """Tell whether a broken pipe is that of stdout, not one to a worker; if so, quiet what is yet to come."""
    stdout = sys.stdout.fileno()
    poll = select.poll()
    poll.register(stdout, 0)  # errors are told anyway
    closed = bool(poll.poll(0))
    if closed:  # Python flushes once more at shutdown
        os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
    return closed
