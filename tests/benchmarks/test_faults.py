"""The list of faults that were found first is tried as a whole, and an outcome is what it was."""

from __future__ import annotations

import itertools
from pathlib import Path
from subprocess import Popen

from benchmarks.faults import cases
from benchmarks.outcomes import Outcome, run


def test_every_row_has_a_case_and_each_follower_one_to_follow(tmp_path: Path) -> None:
    found = list(cases(tmp_path))
    assert {case.row for case in found} == set(range(1, 41))
    for before, case in itertools.pairwise(found):
        assert not case.follows or case.row == before.row


def test_a_command_ends_by_its_line_or_is_ended(tmp_path: Path) -> None:
    outcome = run(("info", "none.zarr"), tmp_path)
    assert outcome.good
    assert outcome.code == 1
    assert len(outcome.errors) == 1
    assert 10 < outcome.peak_mb < 200, "of the program, not of the process that started it"

    def end(process: Popen[bytes]) -> None:
        process.kill()

    killed = run(("info", "none.zarr"), tmp_path, during=end)
    assert killed.code == -9
    assert not killed.good


def test_cells_show_the_line_that_counts() -> None:
    outcome = Outcome(1, ("heatpool info: /a/b/x.zarr: one | two", "another line"), 12.3, 0.45)
    assert outcome.cells(Path("/a/b"), "one") == "1 | x.zarr: one \\| two (and 1 lines) | 12 | 0.5"
    assert outcome.cells(Path("/a/b")).startswith("1 | another line (and 1 lines)")
    assert not Outcome(1, ("Traceback (most recent call last):",), 12.3, 0.4).good
    assert not Outcome(1, (), 1001.0, 0.4).good
