"""A dask cluster started by hand: a scheduler and two workers, each a process of its own."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
from tests.pipelines.extraction.dask_cluster import Cluster

CLIPS = 10


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path) as started:
        yield started


@pytest.fixture
def arguments(make_video: VideoMaker, tmp_path: Path) -> list[str]:
    videos = make_clips(make_video, tmp_path / "videos", clips=CLIPS)
    return ["extract", "--videos", str(videos), *network_options(tmp_path)]


@pytest.mark.slow
def test_a_killed_worker_costs_nothing(cluster: Cluster, arguments: list[str], tmp_path: Path) -> None:
    plain, shared = tmp_path / "plain.zarr", tmp_path / "shared.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    run = heatpool(*arguments, "--out", shared, "--scheduler", cluster.address)
    killed = cluster.workers[0]
    for _ in range(20):  # until it is caught in the middle of a shard
        wait_until(lambda: journalled(shared) >= 1 and any(shared.glob(".tmp-mark*")), run)
        os.kill(killed.pid, signal.SIGSTOP)
        count = -1
        while count != journalled(shared):  # the other worker does what it can
            count = journalled(shared)
            time.sleep(2)
        if any(shared.glob(".tmp-mark*")):
            break
        os.kill(killed.pid, signal.SIGCONT)
    killed.send_signal(signal.SIGKILL)
    code, said = finish(run)
    assert code == 0, said
    assert sum("died; the shard was done again" in line for line in said) == 1, said
    assert array_bytes(shared) == array_bytes(plain)
    speed = json.loads((shared / "run.json").read_text())["throughput"]
    assert speed["clips"] == CLIPS
    assert speed["frames"] == 40 * CLIPS
    assert sum(each["clips"] for each in speed["workers"].values()) == CLIPS
    assert len(speed["workers"]) in (1, 2)


@pytest.mark.slow
def test_a_lost_scheduler_is_one_line_and_resume_completes(
    cluster: Cluster, arguments: list[str], tmp_path: Path
) -> None:
    plain, shared = tmp_path / "plain.zarr", tmp_path / "shared.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    run = heatpool(*arguments, "--out", shared, "--scheduler", cluster.address, "--quiet")
    wait_until(lambda: journalled(shared) >= 1, run)
    cluster.scheduler.send_signal(signal.SIGKILL)
    code, said = finish(run)
    assert code == 1
    assert said == [
        f"heatpool extract: lost the scheduler of {cluster.address}; finished shards are kept, "
        "--resume does the others"
    ]
    cluster.end()
    assert journalled(shared) < CLIPS
    assert finish(heatpool(*arguments, "--out", shared, "--resume"))[0] == 0
    assert array_bytes(shared) == array_bytes(plain)


def test_no_scheduler_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    code, said = finish(
        heatpool(*arguments, "--out", tmp_path / "x.zarr", "--scheduler", "tcp://127.0.0.1:9", "--quiet")
    )
    assert code == 1
    assert len(said) == 1
    assert said[0].startswith("heatpool extract: expected a dask scheduler at tcp://127.0.0.1:9")


def test_an_address_without_a_protocol_is_bad_usage(arguments: list[str]) -> None:
    code, said = finish(heatpool(*arguments, "--scheduler", "127.0.0.1:8786"))
    assert code == 2
    assert len(said) == 1
    assert "expected --scheduler tcp://host:port" in said[0]
