"""A command in a process of its own, with limits: how it ended, what it said, what it took."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Outcome", "run"]

_MOST_S, _MOST_MB = 10.0, 1_000.0
_PROGRAM = (
    sys.executable,
    "-c",
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from heatpool.pipelines.cli import main; sys.exit(main())",
)

During = Callable[[subprocess.Popen[bytes]], None]
"""Something that is done to the process while it runs."""


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: exit code; None where it was ended by us, as it took too long.
        errors: lines on stderr.
        peak_mb: largest resident size.
        seconds: processor time, which other programs on the machine do not change.
    """

    code: int | None
    errors: tuple[str, ...]
    peak_mb: float
    seconds: float

    @property
    def good(self) -> bool:
        """Whether it ended by a line of its own, or as if nothing were wrong, soon, in little memory."""
        soon = self.peak_mb <= _MOST_MB and self.seconds <= _MOST_S
        return soon and self.code in (0, 1, 2, 3) and not any("Traceback" in line for line in self.errors)

    def cells(self, folder: Path, shown: str = "") -> str:
        """Return exit code, line, memory and time as cells of a table.

        Args:
            folder: from which on paths are shown.
            shown: part of the line that is shown; the last one where none has it.
        """
        with_it = [line for line in self.errors if shown in line]
        last = (with_it or list(self.errors) or [""])[-1]
        last = last.replace(f"{folder}/", "").replace("|", "\\|")
        last = last.partition(": ")[2] or last
        more = f" (and {len(self.errors) - 1} lines)" if len(self.errors) > 1 else ""
        line = textwrap.shorten(" ".join(map(_short, last.split())), 120, placeholder=" …")
        code = "ended" if self.code is None else self.code
        return f"{code} | {line}{more} | {self.peak_mb:.0f} | {self.seconds:.1f}"


def _short(word: str) -> str:
    """A word of a line, of a path elsewhere on this machine its last part, for a page that anybody reads."""
    if word.startswith("/") and not word.startswith("/dev/"):
        return f"…/{word.rpartition('/')[2]}"
    return word if len(word) <= 60 else f"{word[:20]}…{word[-20:]}"


def run(
    words: Sequence[str],
    folder: Path,
    *,
    addresses: int = 8 << 30,
    end_s: float = 30.0,
    environment: Mapping[str, str] | None = None,
    during: During | None = None,
) -> Outcome:
    """Run `heatpool` with words.

    Args:
        words: the command, as one text, and its arguments.
        folder: to run in.
        addresses: bytes that it may map (`ulimit -v`).
        end_s: seconds of the clock after which it is killed.
        environment: beside that of this process.
        during: called with the process, in a thread.
    """
    words = [*words[0].split(), *words[1:]]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*_PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            cwd=folder, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **(environment or {})},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (addresses, addresses)),
        )  # fmt: skip
        accident = threading.Thread(target=during or (lambda process: None), args=(process,), daemon=True)
        accident.start()
        code, used, seen_mb = _wait(process, end_s)
        accident.join(end_s)
        errors.seek(0)
        lines = tuple(errors.read().decode(errors="replace").splitlines())
    # The system counts for a process what it was before it became another program, too: a copy of us.
    ours_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    peak_mb = used.ru_maxrss / 1024
    return Outcome(code, lines, peak_mb if peak_mb > ours_mb else seen_mb, used.ru_utime + used.ru_stime)


def _largest_mb(pid: int) -> float:
    """Largest resident size so far, since it became this program (Linux)."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:  # it ended meanwhile
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def _wait(process: subprocess.Popen[bytes], end_s: float) -> tuple[int | None, resource.struct_rusage, float]:
    """Return exit code, use and the largest size that was seen, a moment before its end."""
    begun, seen_mb = time.monotonic(), 0.0
    while True:
        seen_mb = max(seen_mb, _largest_mb(process.pid))
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, used, seen_mb
        if time.monotonic() - begun > end_s:
            process.kill()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            return None, used, seen_mb
        time.sleep(0.02)
