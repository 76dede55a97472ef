from __future__ import annotations

import itertools
import time

import pytest

from heatpool.pipelines.extraction.shard_counts import ShardCounts
from heatpool.pipelines.extraction.throughput import Throughput
from heatpool.pipelines.process.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that stands where the test puts it."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_line_a_minute_with_both_rates(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("extract", 1000, "clips", initial=100) as progress:
        for _ in range(12):  # 6 minutes of half a minute's work each, 30 clips of 300 frames
            clock[0] += 30
            progress.step(30, failed=1, frames=9000)
    lines = capsys.readouterr().err.splitlines()
    assert (
        len(lines) == 5
    )  # after 90, 180, 270 and 360 s, as a line is due when a minute has passed, and at the end
    assert lines[0] == ("extract: 190/1000 clips in 90 s (1.0 clips/s, 300.0 frames/s, 810 s left), 3 failed")


def test_the_line_comes_also_while_nothing_is_finished(
    clock: list[float], capsys: pytest.CaptureFixture[str]
) -> None:
    with Progress("extract", 10, "clips") as progress:
        for _ in range(200):
            clock[0] += 1
            progress.tick()
        assert len(capsys.readouterr().err.splitlines()) == 3


def test_units_without_frames_have_one_rate(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("verify", 10, "shards") as progress:
        clock[0] += 2
        progress.step(10)
    assert capsys.readouterr().err == "verify: 10/10 shards in 2 s (5.0 shards/s)\n"


def test_quiet_says_nothing(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("verify", 10, "shards", quiet=True) as progress:
        clock[0] += 100
        progress.step(10)
    assert capsys.readouterr().err == ""


def test_throughput_by_worker(clock: list[float]) -> None:
    throughput = Throughput()
    numbers = itertools.count()
    for worker, seconds in (("host 1", 2.0), ("host 2", 8.0), ("host 1", 2.0)):
        throughput.add(
            ShardCounts(
                shard=next(numbers),
                clips=4,
                damaged=0,
                frames=400,
                seconds=seconds,
                worker=worker,
                again=False,
                versions={},
            )
        )
    clock[0] += 10
    facts = throughput.facts()
    assert (facts["clips"], facts["frames"], facts["seconds"]) == (12, 1200, 10.0)
    assert (facts["clips_per_s"], facts["frames_per_s"]) == (1.2, 120.0)
    assert facts["workers"]["host 1"]["clips_per_s"] == 2.0
    assert facts["workers"]["host 2"] == {
        "shards": 1, "clips": 4, "frames": 400, "seconds": 8.0, "clips_per_s": 0.5, "frames_per_s": 50.0
    }  # fmt: skip
