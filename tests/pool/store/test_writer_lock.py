"""One coordinator a store, one writer a shard: enforced between processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from heatpool.pool.disk.locks import LockedError
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.paths import ROOT
from tests.pool.store.store_cases import (
    make_clip,
    make_index,
    make_spec,
    make_store,
    tree_bytes,
    write_pending,
)

RUN = """
import sys, time
from pathlib import Path
from tests.pool.store.store_cases import *

def dawdle(name):
    print(name, flush=True)
    time.sleep(float(sys.argv[3]))

path, job = Path(sys.argv[1]), sys.argv[2]
if job == "attach":
    writer = StoreWriter.attach(path, on_step=dawdle)
else:
    writer = StoreWriter.resume(path, spec=make_spec(), index=make_index(11), on_step=dawdle)
clips = [make_clip(make_spec(), row) for row in writer.shard_rows(0)]
writer.write_shard(0, [c[0] for c in clips], [c[1] for c in clips])
"""


def begin(path: Path) -> StoreWriter:
    return StoreWriter.create(path, spec=make_spec(), index=make_index(11), shard_clips=4)


def run_elsewhere(path: Path, job: str, step_s: float) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(path), job, str(step_s)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "shard 0: pending\n"
    return process


def test_a_second_run_is_refused_while_the_first_lives(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    begin(path).close()
    process = run_elsewhere(path, "resume", 60)
    try:
        for second in (
            lambda: StoreWriter.resume(path, spec=make_spec(), index=make_index(11)),
            lambda: StoreWriter.create(path, spec=make_spec(), index=make_index(11), overwrite=True),
            lambda: StoreWriter.attach(path).finish(),
        ):
            with pytest.raises(LockedError, match=rf"a\.zarr is being written by process {process.pid} on "):
                second()
        os.kill(process.pid, signal.SIGSTOP)  # standing still is not being dead
        with pytest.raises(LockedError):
            StoreWriter.resume(path, spec=make_spec(), index=make_index(11))
    finally:
        process.kill()
        process.wait()
    with StoreWriter.resume(path, spec=make_spec(), index=make_index(11)) as writer:
        write_pending(writer, make_spec())
        writer.finish()
    assert verify_store(path).intact
    make_store(tmp_path / "b.zarr")
    assert tree_bytes(path) == tree_bytes(tmp_path / "b.zarr")


def test_two_writers_of_a_shard_take_turns(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    writer = begin(path)
    process = run_elsewhere(path, "attach", 0.1)
    begun = time.monotonic()
    clips = [make_clip(make_spec(), row) for row in writer.shard_rows(0)]
    writer.write_shard(0, [clip[0] for clip in clips], [clip[1] for clip in clips])
    assert time.monotonic() - begun > 0.5
    assert process.wait() == 0
    write_pending(writer, make_spec())
    writer.finish()
    assert verify_store(path).intact
    assert FeatureStore.open(path).clips.status.tolist() == [1, 1, 1, 1, 4, 1, 3, 1, 1, 4, 1]


def test_a_writer_that_lost_its_shard_changes_nothing(tmp_path: Path) -> None:
    """Its lock was taken over while it stood still: it must not rename into place, nor journal."""

    def lose_lock(name: str) -> None:
        if name == "shard 0: wrote time_s":
            (path / ".lock-shard0000000").write_text("{}")

    path = tmp_path / "a.zarr"
    begin(path).close()
    before = tree_bytes(path)
    writer = StoreWriter.attach(path, on_step=lose_lock)
    clips = [make_clip(make_spec(), row) for row in writer.shard_rows(0)]
    with pytest.raises(HeatpoolError, match="lost the lock"):
        writer.write_shard(0, [clip[0] for clip in clips], [clip[1] for clip in clips])
    (path / ".lock-shard0000000").unlink()
    assert tree_bytes(path) == before


def test_a_store_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    make_store(tmp_path / "other.zarr")

    def other_process(name: str) -> None:
        if name == "create: flushed":
            (tmp_path / "other.zarr").rename(tmp_path / "a.zarr")

    with pytest.raises(HeatpoolError, match="already exists"):
        StoreWriter.create(tmp_path / "a.zarr", spec=make_spec(), index=make_index(11), on_step=other_process)
    assert verify_store(tmp_path / "a.zarr").intact
    assert os.listdir(tmp_path) == ["a.zarr"]


def test_a_finished_or_closed_store_holds_no_lock(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr")
    with StoreWriter.resume(writer.path, spec=make_spec(), index=make_index(11)):
        assert (writer.path / ".lock-writer").exists()
    assert [name for name in os.listdir(writer.path) if name.startswith(".")] == []
