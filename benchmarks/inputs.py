"""What this build, and an older one, make of small files that are easily taken wrongly.

Usage: python -m benchmarks.inputs [--inputs ../shared/inputs] [--old CLONE] [--only xvid,pyskl]

Prints a Markdown table: exit codes of doctor and of the command, and whether the right answer is met. Each
command is a process. `--old` is a clone of an earlier commit; it runs with the packages of this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.input_cases import CASES
from benchmarks.input_trials import Case, Done, Trial

HERE = Path(__file__).parents[1]


def run_build(clone: Path, folder: Path, words: list[str]) -> Done:
    """Run a command of the build in a clone."""
    done = subprocess.run(
        [sys.executable, "-m", "heatpool", *words],
        cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(clone)},
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def cells(case: Case, file: Path, clone: Path) -> tuple[str, str, str]:
    """Return how doctor and the command end, and whether the right answer is met."""
    with tempfile.TemporaryDirectory() as folder:
        trial = Trial(file, Path(folder), partial(run_build, clone))
        try:
            wrong = case.wrong(trial)
        except Exception as error:  # an old build may leave no store where one is looked for
            wrong = f"{type(error).__name__}: {error}"
    doctor, done = ("" if each is None else f"{each.code}" for each in trial.verdicts)
    says = wrong.replace("|", "/").replace(folder, "")[:160]
    return doctor, done, f"**no**: {says}" if wrong else "yes"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--inputs", type=Path, default=Path("../shared/inputs"))
    parser.add_argument("--old", type=Path, help="clone of another build")
    parser.add_argument("--only", default="", help="beginnings of names with commas; default all")
    options = parser.parse_args()
    builds = [HERE, *([options.old.resolve()] if options.old else [])]
    head = " doctor | extract, train | right answer met |"
    print("| file | right answer |" + head + head.replace("doctor", "old: doctor") * (len(builds) > 1))
    print("|---|---|" + "---|---|---|" * len(builds))
    unmet = 0
    for case in CASES:
        if case.file.startswith(tuple(options.only.split(","))):
            file = (options.inputs / case.file).resolve()
            found = [cells(case, file, clone) for clone in builds]
            unmet += found[0][2] != "yes"
            says = " | ".join(" | ".join(each) for each in found)
            print(f"| {case.file} | {case.answer} | {says} |", flush=True)
    return 1 if unmet else 0


if __name__ == "__main__":
    sys.exit(main())
