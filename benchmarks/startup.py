"""Processor time of `heatpool` before its work begins, as multiples of `python -c "import numpy"`.

Usage: python -m benchmarks.startup [--old OLD/.venv/bin/heatpool] [--store features.zarr] [--rounds 5]

Counted are user and system time of the program and of every process that it starts; the rounds of all
commands and builds take turns, so that a busy machine is busy for all of them.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "tests/fixtures/old_build.tar.gz"
BASELINE = 'python -c "import numpy"'


def processor_seconds(command: Sequence[str | Path], *, expected: int = 0) -> float:
    """Run a command; return the processor time of it and its children, in seconds.

    Raises:
        RuntimeError: if it ends with another exit code than expected.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != expected:
        raise RuntimeError(
            f"{' '.join(map(str, command))} ended with {done.returncode}: {done.stderr[-500:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def commands(program: Path, store: Path, scratch: Path) -> dict[str, tuple[list[str | Path], int]]:
    """Return what is measured of a program: the command, and the exit code it must have."""
    out = scratch / "run"
    return {
        "--version": ([program, "--version"], 0),
        "--help": ([program, "--help"], 0),
        "train --help": ([program, "train", "--help"], 0),
        "info STORE": ([program, "info", store], 0),
        "train MISSING": ([program, "train", "--features", scratch / "missing.zarr"], 1),
        "train --model linear STORE": (
            [
                program,
                "train",
                "--model",
                "linear",
                "--features",
                store,
                "--out",
                out,
                "--overwrite",
                "--quiet",
            ],
            0,
        ),
    }


def measure(programs: dict[str, Path], store: Path, rounds: int) -> dict[tuple[str, str], list[float]]:
    """Return processor seconds by command and build; what a build does not know is not measured."""
    seconds: dict[tuple[str, str], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as scratch:
        for round_ in range(rounds + 1):  # the first fills the caches of files and is not counted
            taken = processor_seconds([sys.executable, "-c", "import numpy"])
            if round_:
                seconds[BASELINE, ""].append(taken)
            for build, program in programs.items():
                for name, (command, expected) in commands(program, store, Path(scratch)).items():
                    try:
                        taken = processor_seconds(command, expected=expected)
                    except RuntimeError as error:
                        if not round_:
                            print(f"{build}: {error}", file=sys.stderr)
                        continue
                    if round_:
                        seconds[name, build].append(taken)
    return seconds


def table(seconds: dict[tuple[str, str], list[float]], builds: Sequence[str]) -> str:
    """Return a Markdown table: seconds, and multiples of the baseline, least and median."""
    base = seconds[BASELINE, ""]
    rows = [
        "| processor time, least (median) | " + " | ".join(builds) + " |",
        "|---|" + "---|" * len(builds),
        f"| `{BASELINE}` | "
        + " | ".join([f"{min(base):.2f} s ({statistics.median(base):.2f})"] * len(builds))
        + " |",
    ]
    for name in dict.fromkeys(name for name, build in seconds if build):
        cells = []
        for build in builds:
            taken = seconds.get((name, build))
            cells.append("unknown to it" if not taken else _cell(taken, base))
        rows.append(f"| `heatpool {name}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(taken: Sequence[float], base: Sequence[float]) -> str:
    least, middle = min(taken) / min(base), statistics.median(taken) / statistics.median(base)
    return f"{least:.1f} × ({middle:.1f} ×), {min(taken):.2f} s"


def unpack_fixture(folder: Path) -> Path:
    """Unpack the small store that lies among the tests; return its path."""
    with tarfile.open(FIXTURE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "features.zarr"


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--old", type=Path, help="the program `heatpool` of another build, shown beside this one"
    )
    parser.add_argument("--store", type=Path, help="feature store; default a small one out of the tests")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    mine = Path(sys.executable).with_name("heatpool")
    programs = ({"before": options.old} if options.old else {}) | {"this build": mine}
    for program in programs.values():
        if not shutil.which(program):
            parser.error(f"expected a program, got {program}")
    with tempfile.TemporaryDirectory() as scratch:
        store = options.store or unpack_fixture(Path(scratch))
        print(table(measure(programs, store, options.rounds), list(programs)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
