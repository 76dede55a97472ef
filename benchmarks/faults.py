"""The faults that were found first, 40 causes (rows 1 to 40), each tried again by its command.

Usage: python -m benchmarks.faults [--only 1,12] [--old CLONE] [--end-s 240] [--write docs/claims.md]

Every command is a process of its own with limits of memory and time, on inputs that are made on the spot and
hold nothing that runs. Disks that are full or read-only are in memory, in a namespace of the benchmark's own
(Linux, `unshare`). With an older build, a clone with links from its folder `heatpool` to its packages, the
last column says how that one ended where it ended in another way.
Exit code 1 if a command ends by a traceback or with another exit code or line than it should, is ended as it
did not end by itself, or takes more than 1 GB or 10 s of processor time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from subprocess import Popen

from benchmarks.blocks import replace_block
from benchmarks.faults_disk import disks
from benchmarks.faults_extraction import extraction
from benchmarks.faults_files import files
from benchmarks.faults_inputs import Case, Inputs, make_inputs
from benchmarks.faults_remote import servers
from benchmarks.faults_training import training
from benchmarks.outcomes import Outcome, run
from benchmarks.small_disk import mount, run_in_namespace

_HEAD = (
    "| row | what is wrong | command | exit | line | MB | s | before |\n|---|---|---|---|---|---|---|---|\n"
)


def cases(scratch: Path) -> Iterator[Case]:
    """Yield all cases, by their rows."""
    found = [*extraction(scratch), *disks(scratch), *files(scratch), *servers(), *training()]
    yield from sorted(found, key=lambda case: case.row)  # which leaves those of a row in order


class Build:
    """A build of heatpool, and what it made to be tried on.

    Args:
        folder: for its files.
        end_s: when a command is ended.
        clone: of another build; None for this one.
    """

    def __init__(self, folder: Path, end_s: float, clone: Path | None = None) -> None:
        self._folder, self._end_s = folder, end_s
        root = clone or Path.cwd()
        self._environment = {"PYTHONPATH": str(root)}
        folder.mkdir()
        small = mount(folder / "small", 1)
        mount(small / "fixed", 1, "ro")
        mount(small / "full", 1)
        self._inputs = Inputs(folder / "in", small)
        make_inputs(self._inputs.folder, self._environment)

    def try_case(self, case: Case) -> tuple[Outcome, str, bool]:
        """Run a case; return its outcome, what is noted, and whether all is as it should be."""
        out = self._folder / "out"
        if not case.follows:
            shutil.rmtree(out, ignore_errors=True)
            out.mkdir()
        if case.prepare:
            case.prepare(self._inputs, out)
        places = {"{in}": self._inputs.folder, "{out}": out, "{small}": self._inputs.small}
        words = case.words
        for name, place in places.items():
            words = words.replace(name, str(place))

        def during(process: Popen[bytes]) -> None:
            if case.during:
                case.during(process, out)

        outcome = run(
            words.split(), out, addresses=case.addresses, end_s=self._end_s, during=during,
            environment=self._environment | _joined(case.environment, self._environment),
        )  # fmt: skip
        good = outcome.good or (outcome.code in case.codes and outcome.code == -9)
        good = (
            good and outcome.code in case.codes and any(case.line in line for line in ("", *outcome.errors))
        )
        try:
            note = case.note(out) if case.note else ""
        except (AssertionError, OSError) as error:
            note, good = f"wrong: {error}", False
        return outcome, note, good

    def row(self, case: Case, outcome: Outcome, note: str) -> str:
        """Return the cells of a case."""
        command = " ".join(case.words.split()[: 1 + case.words.startswith(("archive", "weights"))])
        cells = outcome.cells(self._folder / "out", case.line).replace(f"{self._inputs.small}/", "")
        says = f"{case.says} ({note})" if note else case.says
        return f"{case.row} | {says} | {command} | {cells}"


def _joined(more: Mapping[str, str], usual: Mapping[str, str]) -> dict[str, str]:
    """Put the paths of a patch before those of the build."""
    paths = [each["PYTHONPATH"] for each in (more, usual) if each.get("PYTHONPATH")]
    return {**more, "PYTHONPATH": os.pathsep.join(paths)}


def _before(was: Outcome, good: bool, end_s: float) -> str:
    if good:
        return "so, too"
    code = f"ended after {end_s:g} s" if was.code is None else f"exit {was.code}"
    traceback = " and a traceback" * any("Traceback" in line for line in was.errors)
    return f"{code}, {len(was.errors)} lines{traceback}, {was.peak_mb:.0f} MB, {was.seconds:.0f} s"


def measure(folder: Path, only: set[int], clone: Path | None, end_s: float) -> tuple[list[str], int]:
    """Return the rows of the table, and how many are not as they should be."""
    (folder / "scratch").mkdir()
    now = Build(folder / "now", end_s)
    old = Build(folder / "old", end_s, clone) if clone else None
    rows, wrong = [], 0
    for case in cases(folder / "scratch"):
        if only and case.row not in only:
            continue
        outcome, note, good = now.try_case(case)
        before = ""
        if old:
            try:
                was, _, was_good = old.try_case(case)
                before = _before(was, was_good, end_s)
            except OSError as error:  # its stores have no such file
                before = f"not tried: {error.strerror}"
        rows.append(f"| {now.row(case, outcome, note)} | {before} |")
        wrong += not good
        print(rows[-1], "" if good else " <-- WRONG", file=sys.stderr, flush=True)
    return rows, wrong


def main() -> int:
    """Run from the command line, in a namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", help="numbers of rows with commas; default all")
    parser.add_argument("--old", type=Path, help="clone of an older build")
    parser.add_argument("--end-s", type=float, default=240.0, help="when a command is ended")
    parser.add_argument("--write", type=Path, help="page whose block `faults` the table replaces")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        return run_in_namespace("benchmarks.faults", sys.argv[1:])
    only = {int(each) for each in options.only.split(",")} if options.only else set()
    rows, wrong = measure(options.inside, only, options.old, options.end_s)
    beside = f" --old CLONE --end-s {options.end_s:g}" if options.old else ""
    table = f"    python -m benchmarks.faults{beside}\n\n{_HEAD}" + "\n".join(rows)
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(replace_block(page, "faults", table), encoding="utf-8")
    else:
        print(table)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
