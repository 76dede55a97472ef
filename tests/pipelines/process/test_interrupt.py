"""Ctrl-C and SIGTERM, by real signals to real processes: once, twice, here, on workers and on a cluster."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from heatpool.pipelines.process.interrupt import stop_on_interrupt
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

CLIPS = 8
LAST_LINE = "heatpool extract: interrupted; what was finished is kept"


@pytest.fixture
def arguments(make_video: VideoMaker, tmp_path: Path) -> list[str]:
    videos = make_clips(make_video, tmp_path / "videos", clips=CLIPS)
    return ["extract", "--videos", str(videos), *network_options(tmp_path)]


def to_the_terminal(process: subprocess.Popen[str]) -> None:
    """Ctrl-C as a terminal sends it: to the program and all processes that it started."""
    os.killpg(process.pid, signal.SIGINT)


def resumes_to_the_same(arguments: list[str], out: Path, plain: Path) -> None:
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    assert finish(heatpool(*arguments, "--out", out, "--resume"))[0] == 0
    assert array_bytes(out) == array_bytes(plain)


def stopped_once(
    arguments: list[str],
    out: Path,
    *,
    ask: Callable[[subprocess.Popen[str]], None] = to_the_terminal,
    line: str = "finishing the shards under way; Ctrl-C again stops at once",
) -> None:
    """Press Ctrl-C, or send what `ask` sends, while a shard is under way."""
    run = heatpool(*arguments, "--out", out)
    wait_until(lambda: journalled(out) >= 1 and any(out.glob(".tmp-mark*")), run)
    ask(run)
    code, said = finish(run)
    assert code == 130, said
    assert said[-1] == LAST_LINE
    assert line in said
    assert journalled(out) < CLIPS
    assert not any(out.glob(".tmp-*")), "a shard that was under way was not finished"
    assert (out / "finished.json").exists()  # the store says what it holds


def test_once_in_the_plain_loop(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "x.zarr"
    stopped_once(arguments, out)
    resumes_to_the_same(arguments, out, tmp_path / "plain.zarr")


def terminate(run: subprocess.Popen[str]) -> None:
    """SIGTERM as Kubernetes sends it, to the program alone, and as it comes twice through a wrapper."""
    run.send_signal(signal.SIGTERM)
    time.sleep(0.02)
    run.send_signal(signal.SIGTERM)


def terminate_job(run: subprocess.Popen[str]) -> None:
    """SIGTERM as SLURM sends it: to every process of the job."""
    os.killpg(run.pid, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize("more", [[], ["--workers", "2"]])
@pytest.mark.parametrize("ask", [terminate, terminate_job])
def test_sigterm_is_a_stop(
    arguments: list[str], tmp_path: Path, more: list[str], ask: Callable[[subprocess.Popen[str]], None]
) -> None:
    out = tmp_path / "x.zarr"
    line = "finishing the shards under way; SIGTERM asked for it"
    stopped_once([*arguments, *more], out, ask=ask, line=line)
    resumes_to_the_same(arguments, out, tmp_path / "plain.zarr")


@pytest.mark.slow
def test_once_with_workers(arguments: list[str], tmp_path: Path) -> None:
    out = tmp_path / "x.zarr"
    stopped_once([*arguments, "--workers", "2"], out)
    resumes_to_the_same(arguments, out, tmp_path / "plain.zarr")


@pytest.mark.slow
def test_once_and_twice_on_a_cluster(arguments: list[str], tmp_path: Path) -> None:
    out, plain = tmp_path / "x.zarr", tmp_path / "plain.zarr"
    with Cluster(tmp_path) as cluster:
        shared = [*arguments, "--scheduler", cluster.address]
        stopped_once(shared, out)
        assert all(worker.poll() is None for worker in cluster.workers)  # they are not ours to end
        before = journalled(out)
        code, said, seconds = stopped_twice([*shared, "--resume"], out, finished=before + 1)
        assert code == 130, said
        assert said[-1] == LAST_LINE
        assert seconds < 15
        assert finish(heatpool(*shared, "--out", out, "--resume"))[0] == 0
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    assert array_bytes(out) == array_bytes(plain)


def stopped_twice(arguments: list[str], out: Path, *, finished: int) -> tuple[int, list[str], float]:
    run = heatpool(*arguments, "--out", out)
    wait_until(lambda: journalled(out) >= finished and any(out.glob(".tmp-mark*")), run)
    to_the_terminal(run)
    time.sleep(0.05)
    to_the_terminal(run)
    pressed = time.monotonic()
    code, said = finish(run)
    return code, said, time.monotonic() - pressed


@pytest.mark.parametrize("more", [[], pytest.param(["--workers", "2"], marks=pytest.mark.slow)])
def test_twice_stops_at_once(arguments: list[str], tmp_path: Path, more: list[str]) -> None:
    out = tmp_path / "x.zarr"
    # One shard of all clips: it could not be finished so soon.
    at = arguments.index("--shard-clips") + 1
    one = [*arguments[:at], "16", *arguments[at + 1 :]]
    run = heatpool(*one, *more, "--out", out)
    wait_until(lambda: any(out.glob(".tmp-mark*")), run)
    to_the_terminal(run)
    time.sleep(0.05)
    to_the_terminal(run)
    code, said = finish(run)
    assert code == 130, said
    assert said[-1] == LAST_LINE
    assert journalled(out) == 0
    resumes_to_the_same(one, out, tmp_path / "plain.zarr")


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Python's answers to both signals, whatever the shell that started the tests made of them."""
    answers = ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL))
    before = [(number, signal.signal(number, answer)) for number, answer in answers]
    yield
    for number, old in before:
        signal.signal(number, old)


@pytest.mark.usefixtures("own_signals")
def test_first_asks_and_second_raises() -> None:
    with stop_on_interrupt("it", quiet=True) as stop:
        assert not stop.asked
        signal.raise_signal(signal.SIGINT)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):  # as before the block
        signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("own_signals")
def test_sigterm_asks_and_asks_for_nothing_more(capsys: pytest.CaptureFixture[str]) -> None:
    with stop_on_interrupt("it") as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    signal.raise_signal(signal.SIGTERM)  # a late one: the program is saying goodbye
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert capsys.readouterr().err == "finishing it; SIGTERM asked for it\n"


def test_where_it_is_ignored_it_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_interrupt("it") as stop:
            signal.raise_signal(signal.SIGINT)
        assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)
