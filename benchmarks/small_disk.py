"""File systems that may be filled: in memory, in a namespace that only the benchmark sees (Linux)."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["fill", "mount", "run_in_namespace"]


def run_in_namespace(module: str, arguments: list[str]) -> int:
    """Run a module again where it may mount, with `--inside FOLDER` for its files; return its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        again = [sys.executable, "-m", module, *arguments, "--inside", folder]
        return subprocess.run(["unshare", "-rm", *again]).returncode


def mount(folder: Path, megabytes: int, *options: str) -> Path:
    """Mount a file system in memory at a new folder, which is gone with the namespace."""
    folder.mkdir()
    given = ",".join((f"size={megabytes}m", *options))
    subprocess.run(["mount", "-t", "tmpfs", "-o", given, "tmpfs", str(folder)], check=True)
    return folder


def fill(path: Path) -> None:
    """Write a file until its disk is full."""
    block = bytes(1 << 20)
    with path.open("wb", buffering=0) as file:
        while block:
            try:
                file.write(block)
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
                block = block[: len(block) // 2]
