"""A wall clock that jumps by days, both ways, during a run: nothing but the dates in files may notice."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import pytest
from tqdm import tqdm

from heatpool.pipelines.process.progress import Progress
from heatpool.pool.disk.files import clean_leftovers
from tests.conftest import VideoMaker
from tests.pipelines.extraction.cluster_cases import (
    array_bytes,
    finish,
    heatpool,
    journalled,
    make_clips,
    network_options,
    wait_until,
)
from tests.pipelines.extraction.test_faults import with_patch

CLIPS = 4

# Loaded by every Python with this folder on its path: true time, two days ahead, two behind, every 0.3 s.
_JUMPS = """
import time

true, true_ns = time.time, time.time_ns

def jump():
    return (0, 172800, -172800)[int(time.monotonic() / 0.3) % 3]

time.time = lambda: true() + jump()
time.time_ns = lambda: true_ns() + jump() * 10**9
"""


@pytest.fixture
def arguments(make_video: VideoMaker, tmp_path: Path) -> list[str]:
    videos = make_clips(make_video, tmp_path / "videos", clips=CLIPS, frames=20)
    return ["extract", "--videos", str(videos), "--clip-seconds", "60", *network_options(tmp_path)]


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
def test_a_run_under_a_jumping_clock_is_the_same(
    arguments: list[str], tmp_path: Path, more: list[str]
) -> None:
    plain, out = tmp_path / "plain.zarr", tmp_path / "x.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    begun = time.monotonic()
    environment = with_patch(tmp_path, _JUMPS)
    code, said = finish(heatpool(*arguments, "--out", out, *more, environment=environment))
    seconds = time.monotonic() - begun
    assert code == 0, said
    assert array_bytes(out) == array_bytes(plain)
    last = next(line for line in said if line.startswith("extract: "))
    assert 0 <= int(last.partition(" clips in ")[2].partition(" s ")[0]) <= seconds, last
    speed = json.loads((out / "run.json").read_text())["throughput"]
    assert 0 < speed["seconds"] <= seconds
    assert all(0 < each["seconds"] <= seconds for each in speed["workers"].values())
    assert not any("died" in line for line in said)


@pytest.mark.slow
def test_a_lock_holds_under_a_jumping_clock_and_a_killed_run_is_resumed(
    arguments: list[str], tmp_path: Path
) -> None:
    plain, out = tmp_path / "plain.zarr", tmp_path / "x.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    environment = with_patch(tmp_path, _JUMPS)
    first = heatpool(*arguments, "--out", out, environment=environment)
    wait_until(lambda: journalled(out) >= 1, first)
    first.send_signal(signal.SIGSTOP)
    code, said = finish(heatpool(*arguments, "--out", out, "--resume", "--quiet", environment=environment))
    assert code == 1
    assert "is being written by process" in said[-1]
    first.kill()
    finish(first)
    assert finish(heatpool(*arguments, "--out", out, "--resume", environment=environment))[0] == 0
    assert array_bytes(out) == array_bytes(plain)


def test_the_bar_goes_by_the_monotonic_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Progress("extract", 10, "clips") as progress:
        bar: tqdm = progress._bar
        assert not bar.disable
        monkeypatch.setattr(time, "time", lambda: 0.0)
        now[0] += 20
        progress.step(2)
        assert bar.format_dict["elapsed"] == 20
        assert bar.last_print_n == 2, "a bar that waits for the wall clock to catch up shows nothing"


def test_another_machines_leftovers_are_kept_while_their_lock_is_there(tmp_path: Path) -> None:
    """By our clock they may be of any age."""
    held, free = (tmp_path / f".tmp-shard{number}-elsewhere-7" for number in (3, 4))
    for folder in (held, free):
        folder.mkdir()
        os.utime(folder, (0, 0))
    lock = tmp_path / ".lock-shard0000003"
    lock.write_text("{}")
    assert clean_leftovers(tmp_path) == [free.name]
    lock.unlink()
    assert clean_leftovers(tmp_path) == [held.name]
