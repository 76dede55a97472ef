"""The benchmarks' own arithmetic, on runs small enough to be known."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import decode, networks, occupancy, occupancy_case, stages, tasks, workers
from benchmarks.material import make_video
from heatpool.extract.engine.engine import ClipJob
from tests.conftest import VideoMaker


def noise(frames: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (frames, 12, 16, 3), np.uint8).repeat(8, 1).repeat(8, 2)
    return list(pictures)


def test_all_ways_of_decoding_give_the_same_frames(make_video: VideoMaker) -> None:
    path = make_video(noise(7), "a.mp4")
    assert decode.check_equal(path) == 7
    assert [sum(1 for _ in way(path)) for way in decode.WAYS.values()] == [7, 7, 7, 7]


def test_rates_and_start_up_come_from_the_times_of_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two workers, eight shards of 3 clips, a pair every 2 s from 10 s on: 3 clips/s, and 8 s of start-up."""
    journal = tmp_path / "journal"
    journal.mkdir()
    for shard in range(8):
        (journal / f"{shard:07d}.json").write_text("")
        os.utime(journal / f"{shard:07d}.json", (0, 10 + 2 * (shard // 2)))

    class Store:
        clips = SimpleNamespace(frames=np.full(24, 50))

        def __len__(self) -> int:
            return 24

    clock = iter([0.0, 16.0])
    monkeypatch.setattr(workers.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(workers.subprocess, "run", lambda *given, **named: None)
    monkeypatch.setattr(workers.FeatureStore, "open", lambda path: Store())
    monkeypatch.setattr(workers, "read_run_file", lambda store: {"throughput": {"workers": {"a": 1, "b": 2}}})
    timing = workers.extract(tmp_path, tmp_path, 2, [])
    assert timing == workers.Timing(seconds=16, shard_s=1, clips_per_s=3, frames_per_s=150, start_s=8)


def test_a_device_that_sleeps_is_as_busy_as_it_is_told(tmp_path: Path) -> None:
    paths = occupancy.make_clips(tmp_path, (128, 96), 2, None)
    took = occupancy_case.measure(paths, persons=2, from_memory=False)
    assert (took["frames"], took["crops"]) == (128, 256)
    assert took["busy_s"] == pytest.approx(128 * occupancy_case.DETECT_S + 256 * occupancy_case.POSE_S)
    assert took["main_s"] < took["processor_s"]


def test_an_older_build_is_what_this_one_is_compared_with() -> None:
    case = occupancy.Case((256, 192), 2, from_memory=True)
    old = occupancy.Measured(seconds=10, processor_s=9, main_s=8, busy_s=1, frames=1000, crops=2000)
    this = occupancy.Measured(seconds=2, processor_s=3, main_s=0.1, busy_s=1, frames=1000, crops=2000)
    first, second = occupancy.rows(case, {"old": old, "this": this})
    assert first == "| 256 x 192 | 2 | memory | old | 10% | 100 | 9.00 | 4.50 | 4.000 | 1.0 | 1.00 |"
    assert second == "| 256 x 192 | 2 | memory | this | 50% | 500 | 3.00 | 1.50 | 0.050 | 5.0 | 0.33 |"


def test_what_a_worker_falls_short_of() -> None:
    def runs(*rates: float) -> list[workers.Timing]:
        return [workers.Timing(9, 1, rate, 50 * rate, 2) for rate in rates]

    cells = workers.row(2, runs(3, 9, 6), plain=runs(2, 5, 4))
    assert cells == ["2", "2", "2.0", "6.00", "300", "1.500 (1.500 to 1.800)", "25.0%"]


def test_one_worker_is_compared_shard_by_shard() -> None:
    """Its rate suffered from one shard of 9 s; the others take a tenth longer than the plain loop's."""
    plain = workers.Timing(9, 1, 4, 200, 2, (1.0, 2.0, 1.0))
    one = workers.Timing(20, 4, 1, 50, 2, (1.1, 2.2, 9.0))
    assert workers.row(1, [one], [plain])[-2:] == ["0.909 (0.909 to 0.909)", "9.1%"]


@pytest.mark.slow
def test_shares_add_up_to_all_of_the_time(tmp_path: Path) -> None:
    paths = [
        make_video(tmp_path / name, 20, source=None, width_px=256, height_px=192)
        for name in ("a.mp4", "b.mp4")
    ]
    jobs = [ClipJob(number, path) for number, path in enumerate(paths)]
    cells = stages.row("tiny", networks.estimator("tiny"), jobs, tmp_path)
    assert cells[1] == "2, 40"
    shares = [float(cell.rstrip("%")) for cell in cells[2 : 3 + len(stages.STAGES)]]
    assert sum(shares) == pytest.approx(100, abs=0.5)
    assert shares[0] > 0  # decoding


@pytest.mark.slow
def test_every_shard_is_handed_out() -> None:
    found = tasks.hand_out(20, 3, 1)
    assert found["seconds"] > 0
    assert found["program_mb"] > found["worker_mb"] / 10 > 0
