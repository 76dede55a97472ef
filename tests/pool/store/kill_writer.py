"""Kills a store's writer over and over and checks that a second run always mends the store.

Run as `python -m tests.pool.store.kill_writer FOLDER steps` (or `FOLDER moments COUNT`): this process never
touches zarr itself, so it can fork children that do.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec, tree_bytes, write_pending

CLIPS, SHARD_CLIPS = 3, 2  # two shards, the last one not full


def job(path: Path, on_step: Callable[[str], None]) -> None:
    """What a user's run does: create or resume, write what is pending, finish."""
    spec, index = make_spec(precision="u1"), make_index(CLIPS)  # the precision with the most files
    if path.exists():
        writer = StoreWriter.resume(path, spec=spec, index=index, on_step=on_step)
    else:
        writer = StoreWriter.create(path, spec=spec, index=index, shard_clips=SHARD_CLIPS, on_step=on_step)
    write_pending(writer, spec)
    writer.finish()


def in_child(work: Callable[[], None]) -> int:
    """Run `work` in a forked child; returns its wait status (0 = it came to the end)."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(pid, 0)[1]


def job_killed_at(path: Path, step: int) -> None:
    names: list[str] = []

    def on_step(name: str) -> None:
        names.append(name)
        if len(names) == step:
            print(f"killed after: {name}", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)

    job(path, on_step)


def job_killed_after(path: Path, delay_s: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, delay_s)  # without a handler SIGALRM ends the process at once
    job(path, lambda name: None)


def check_mended(path: Path, reference: dict[str, bytes]) -> None:
    if in_child(lambda: job(path, lambda name: None)) != 0:
        raise SystemExit("the second run failed")
    found = tree_bytes(path)
    different = sorted(name for name in {*found, *reference} if found.get(name) != reference.get(name))
    left = sorted(entry.name for entry in path.parent.iterdir() if entry.name.startswith("."))
    if different or left:
        raise SystemExit(f"not mended: {different} differ, {left} left behind")


def main(folder: Path, mode: str, count: int) -> None:
    reference_path = folder / "reference.zarr"
    start = time.monotonic()
    if in_child(lambda: job(reference_path, lambda name: None)) != 0:
        raise SystemExit("the reference run failed")
    duration_s = time.monotonic() - start
    reference = tree_bytes(reference_path)
    seeded, killed = random.Random(0), 0
    for number in range(1, count + 1):
        path = folder / "killed.zarr"
        if mode == "steps":
            status = in_child(lambda path=path, number=number: job_killed_at(path, number))
            expected = signal.SIGKILL
        else:
            delay_s = seeded.uniform(0.001, duration_s)
            status = in_child(lambda path=path, delay_s=delay_s: job_killed_after(path, delay_s))
            expected = signal.SIGALRM
        if status not in (0, expected):
            raise SystemExit(f"the run broke by itself: {status}")
        killed += status == expected
        check_mended(path, reference)
        shutil.rmtree(path)
        if status == 0 and mode == "steps":
            break
    print(f"mended {killed}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1_000)
