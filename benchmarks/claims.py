"""What every command does with files that claim far more than they hold (docs/claims.md).

Usage: python -m benchmarks.claims [--only store,manifest] [--write docs/claims.md]

Each command is a process of its own with at most 8 GiB of addresses and 30 s; a stand-in is a few megabytes.
 Exit code 1 if a command ends by a traceback, is ended after 30 s, or takes more than 1 GB or 10 s.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from benchmarks.blocks import replace_block
from benchmarks.claims_cases import claims
from benchmarks.claims_files import Claim
from benchmarks.readers import make_store

_MOST_S, _MOST_MB = 10.0, 1_000.0
_END_S, _ADDRESSES = 30.0, 8 << 30
_PROGRAM = (sys.executable, "-c", "import sys; from heatpool.pipelines.cli import main; sys.exit(main())")


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: exit code; None where it was ended after 30 s.
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
        """Whether it ended by a line of its own, or as if nothing were claimed, soon, in little memory."""
        soon = self.peak_mb <= _MOST_MB and self.seconds <= _MOST_S
        return soon and self.code in (0, 1, 2, 3) and not any("Traceback" in line for line in self.errors)


def run(words: Sequence[str], folder: Path) -> Outcome:
    """Run `heatpool` with words in a folder."""
    words = [*words[0].split(), *words[1:]]
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(
            [*_PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
            cwd=folder, start_new_session=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, _ADDRESSES)),
        )  # fmt: skip
        begun, ended = time.monotonic(), False
        while not ended:
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            ended = pid != 0
            if not ended and time.monotonic() - begun > _END_S:
                process.kill()
                _, status, used = os.wait4(process.pid, 0)
                break
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = tuple(errors.read().decode(errors="replace").splitlines())
    seconds = used.ru_utime + used.ru_stime
    return Outcome(process.returncode if ended else None, lines, used.ru_maxrss / 1024, seconds)


def row(claim: Claim, outcome: Outcome, folder: Path) -> str:
    """A line of the table."""
    last = outcome.errors[-1] if outcome.errors else ""
    last = last.replace(f"{folder}/", "").replace("|", "\\|").partition(": ")[2] or last
    code = "ended" if outcome.code is None else outcome.code
    more = f" (and {len(outcome.errors) - 1} lines)" if len(outcome.errors) > 1 else ""
    line = textwrap.shorten(last, 120, placeholder=" …")
    figures = f"{outcome.peak_mb:.0f} | {outcome.seconds:.1f}"
    return f"| {claim.kind} | {claim.says} | {claim.words[0]} | {code} | {line}{more} | {figures} |"


def measure(folder: Path, only: Sequence[str]) -> tuple[list[str], int]:
    """Rows of the table, and how many are not as they should be."""
    store = folder / "store.zarr"
    make_store(store)
    trained = ("train", str(store), str(folder / "run"), "--model", "linear", "--epochs", "1")
    made = run((*trained, "--threads", "1", "--streams", "pooled_joint"), folder)
    if made.code:
        raise SystemExit(f"cannot train: {made.errors[-1:]}")
    (folder / "claims").mkdir()
    made_claims = claims(folder / "claims", store, folder / "run")
    wanted = [each for each in made_claims if not only or each.kind.startswith(tuple(only))]
    rows, wrong = [], 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = pool.map(lambda claim: run(claim.words, folder), wanted)
        for claim, outcome in zip(wanted, outcomes, strict=True):
            rows.append(row(claim, outcome, folder / "claims"))
            wrong += not outcome.good
            print(rows[-1], "" if outcome.good else " <-- WRONG", file=sys.stderr, flush=True)
    return rows, wrong


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="kinds of file with commas; default all")
    parser.add_argument("--write", type=Path, help="page whose block `claims` the table replaces")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows, wrong = measure(Path(name), options.only.split(",") if options.only else [])
    head = "| file | what it claims | command | exit | line | MB | s |\n|---|---|---|---|---|---|---|\n"
    table = "    python -m benchmarks.claims\n\n" + head + "\n".join(rows)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(replace_block(page, "claims", table), encoding="utf-8")
    else:
        print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
