"""A long run under accidents ends as one without, here a short one; the whole is `benchmarks.long_run`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_NAMESPACE = ("unshare", "-rm")


@pytest.mark.slow
def test_clips_outlast_killed_workers_a_full_disk_and_a_clock_set_back() -> None:
    try:
        subprocess.run([*_NAMESPACE, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file systems of one's own here: {error}")
    command = ["-m", "benchmarks.long_run", "--clips", "600", "--shard-clips", "8", "--kill-every-s", "12"]
    done = subprocess.run(
        [sys.executable, *command], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {name.strip(): (plain.strip(), under.strip()) for name, plain, under in _cells(done.stdout)}
    assert rows["clips, all ok, bytes of the arrays equal"] == ("600", "600")
    assert int(rows["workers killed, one every 12 s"][1]) >= 1
    assert rows["starts of the program"] == ("1", "2"), "the full disk ended the first"
    assert "No space left on device" in rows["ended the first by"][1]


def _cells(table: str) -> list[list[str]]:
    return [line.strip("|").split("|") for line in table.splitlines() if line.startswith("|")]
