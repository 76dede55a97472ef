"""The program `heatpool`: as a process, and what it says when it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# SIGINT is answered also where the tests run in the background of a shell, which ignores it.
PROGRAM = [
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from heatpool.pipelines.cli import main; sys.exit(main())",
]


def run_program(
    *arguments: str | Path, cwd: Path | None = None, timeout_s: float = 250
) -> subprocess.CompletedProcess[str]:
    """Run a command in a process of its own."""
    words = [*PROGRAM, *map(str, arguments)]
    return subprocess.run(words, capture_output=True, text=True, cwd=cwd, timeout=timeout_s)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    """What a failing command says on stderr: exactly one line."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]
