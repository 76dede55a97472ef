"""Locks: one owner, dead ones are replaced by exactly one other, and no clock decides."""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from heatpool.pool.disk.locks import Lock, LockedError, clear_dead_locks
from tests.paths import ROOT

HOLDER = """
import sys, time
from pathlib import Path
from heatpool.pool.disk.locks import Lock
lock = Lock.acquire(Path(sys.argv[1]), what="the store", beat_s=0.02)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock-writer"


def take(path: Path, **options) -> Lock:
    return Lock.acquire(path, what="the store", **{"stale_s": 0.3, "beat_s": 0.02} | options)


def hold_elsewhere(path: Path) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def alter(path: Path, **fields: object) -> None:
    """Change fields of a lock file in place, as its owner would."""
    path.write_text(json.dumps(json.loads(path.read_text()) | fields) + "\n")


def make_foreign(path: Path, **fields: object) -> None:
    """Leave a lock of a process on another machine."""
    with take(path) as lock:
        data = lock.path.read_text()
    path.write_text(data)
    alter(path, machine="elsewhere boot pid:[1]", host="elsewhere", token="f0" * 8, **fields)


def test_a_held_lock_is_refused_with_one_line_and_free_again_after(path: Path) -> None:
    with take(path), pytest.raises(LockedError) as caught:
        take(path)
    text = str(caught.value)
    assert text.startswith(f"the store is being written by process {os.getpid()} on ")
    assert text.endswith("; wait for it or stop it")
    assert "\n" not in text
    assert not path.exists()
    take(path).release()


def test_a_living_process_keeps_its_lock_and_a_killed_one_loses_it(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    process = hold_elsewhere(path)
    try:
        with pytest.raises(LockedError, match=f"process {process.pid} on"):
            take(path, stale_s=0)  # alive is alive, however long its heart stands still
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(LockedError):
            take(path, stale_s=0)
    finally:
        process.kill()
    time.sleep(0.1)  # a zombie now: nobody has waited for it
    with take(path, stale_s=1e9):
        assert f"took over the lock of a writer that no longer runs (process {process.pid}" in caplog.text
    process.wait()


def test_another_process_with_the_number_of_a_dead_one_is_not_its_owner(path: Path) -> None:
    with take(path):
        data = path.read_text()
    path.write_text(data)
    alter(path, process_start="17")
    take(path, stale_s=1e9).release()


def test_a_beating_lock_of_another_machine_is_refused_and_a_silent_one_taken_over(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_foreign(path)
    stop = threading.Event()

    def beat() -> None:
        beats = 0
        while not stop.wait(0.05):
            beats += 1
            alter(path, beats=f"{beats:012}")

    heart = threading.Thread(target=beat)
    heart.start()
    try:
        with pytest.raises(LockedError, match="on elsewhere"):
            take(path)
    finally:
        stop.set()
        heart.join()
    begun = time.monotonic()
    with take(path):
        assert time.monotonic() - begun >= 0.3
    assert "took over" in caplog.text


@pytest.mark.parametrize("jump_s", [-1e9, 1e9])
def test_a_jumping_clock_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float) -> None:
    make_foreign(path, since="1970-01-01 00:00:00")
    os.utime(path, (max(time.time() + jump_s, 0),) * 2)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump_s)
    begun = time.monotonic()
    take(path).release()
    assert 0.3 <= time.monotonic() - begun < 5


def test_of_many_who_find_a_stale_lock_one_gets_it(path: Path) -> None:
    for _ in range(5):
        make_foreign(path)
        start = threading.Barrier(8)

        def try_it(_: int, start: threading.Barrier = start) -> Lock | None:
            start.wait()
            try:
                return take(path, stale_s=0.1)
            except LockedError:
                return None

        with ThreadPoolExecutor(8) as pool:
            held = [lock for lock in pool.map(try_it, range(8)) if lock is not None]
        assert len(held) == 1
        held[0].check()
        held[0].release()
        assert os.listdir(path.parent) == []


def test_an_owner_that_was_taken_over_learns_it_and_touches_nothing(path: Path) -> None:
    old = take(path)
    alter(path.rename(path.with_name("aside")), machine="elsewhere")  # seen from another machine
    path.write_text(path.with_name("aside").read_text())  # and the old owner's handle leads nowhere
    new = take(path)
    before = path.read_bytes()
    with pytest.raises(LockedError, match="lost the lock"):
        old.check()
    time.sleep(0.1)
    new.check()
    old.release()
    assert json.loads(path.read_text())["token"] == json.loads(before)["token"]
    new.release()
    assert not path.exists()


def test_the_heart_beats(path: Path) -> None:
    with take(path):
        seen = {path.read_text()}
        deadline = time.monotonic() + 5
        while len(seen) < 4 and time.monotonic() < deadline:
            seen.add(path.read_text())
        assert len(seen) >= 4
        assert len({len(text) for text in seen}) == 1


def test_a_cut_lock_file_counts_as_silent(path: Path) -> None:
    path.write_bytes(b"")
    take(path).release()


def test_waiting_ends_when_the_owner_is_done(path: Path) -> None:
    first = take(path)
    threading.Timer(0.2, first.release).start()
    take(path, wait=True).release()


def test_a_forgotten_lock_goes_with_its_object_but_not_with_a_fork(path: Path) -> None:
    lock = take(path)
    if (child := os.fork()) == 0:
        lock.release()
        os._exit(0)
    os.waitpid(child, 0)
    lock.check()
    del lock
    gc.collect()
    assert not path.exists()


def test_clearing_removes_dead_locks_of_this_machine_only(tmp_path: Path) -> None:
    dead, foreign, alive = (tmp_path / f".lock-{name}" for name in ("dead", "foreign", "alive"))
    make_foreign(foreign)
    with take(dead):
        data = dead.read_text()
    dead.write_text(data)
    alter(dead, process_start="17")
    with take(alive):
        clear_dead_locks(tmp_path, prefix=".lock-", what="the store")
        assert sorted(os.listdir(tmp_path)) == [".lock-alive", ".lock-foreign"]


def test_a_lock_that_cannot_be_written_whole_is_not_left(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def full(handle: int, data: bytes) -> int:  # a disk takes what fits, then nothing
        if len(data) < 100:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data[:50])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match=f"No space left on device: '{path}'"):
            take(path)
    take(path).release()


@pytest.mark.parametrize("token", ["../../out", "a\0b", "x" * 5000])
def test_the_token_of_a_planted_lock_names_no_file(path: Path, token: str) -> None:
    with take(path):
        data = path.read_text()
    path.write_text(data)
    alter(path, token=token, process_start="17")
    take(path).release()
    assert not os.listdir(path.parent)


@pytest.mark.parametrize("change", [lambda text: text[:20], lambda text: "[]", lambda text: "\xff"])
def test_damaged_lock_files_are_never_an_error(path: Path, change: Callable[[str], str]) -> None:
    with take(path):
        data = path.read_text()
    path.write_text(change(data))
    take(path).release()
