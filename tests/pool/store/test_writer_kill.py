"""A writer killed at any step, or at any moment, leaves a store that the next run mends byte for byte."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.paths import ROOT


def run_script(folder: Path, *arguments: str) -> str:
    root = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-m", "tests.pool.store.kill_writer", str(folder), *arguments],
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_killed_after_every_step_of_create_write_and_finish(memory_folder: Path) -> None:
    lines = run_script(memory_folder, "steps").splitlines()
    steps = {line.removeprefix("killed after: ") for line in lines[:-1]}
    assert {"create: flushed", "shard 0: wrote pooled", "shard 1: renamed mask", "finish: marked"} <= steps
    assert lines[-1] == f"mended {len(steps)}"
    assert len(steps) >= 40


@pytest.mark.slow
def test_killed_at_150_random_moments(memory_folder: Path) -> None:
    last = run_script(memory_folder, "moments", "150").splitlines()[-1]
    assert int(last.removeprefix("mended ")) >= 60
