"""What handing out shards costs: shards that do nothing, by a real scheduler, as a run hands them out.

Usage: python -m benchmarks.tasks [--shards 1000 10000] [--clips 1000000] [--workers 2] [--at-once]

Each row is a process of its own, its scheduler inside, as in `heatpool extract --workers 2`. Its memory is
the largest resident size. With --clips, a manifest of so many clips is read and its store made first, and
1,000 shards of 64 are handed out. --at-once hands all shards to dask in one call, which heatpool does not
do: for comparison.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from dask.distributed import Client, LocalCluster, wait

from benchmarks.memory import largest_resident_mb
from heatpool.extract.datasets.manifest import Manifest, read_manifest
from heatpool.pipelines.extraction.cluster import run_on_cluster
from heatpool.pipelines.extraction.shard_counts import ShardCounts
from heatpool.pipelines.extraction.shards import Networks, Shard, ShardWork
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.interrupt import StopRequest
from heatpool.pool.records import ClipResult
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

_SHARDS_WITH_CLIPS = 1_000


@dataclass(frozen=True, eq=False)
class NoWork(ShardWork):
    """As many shards as are asked for, of the clips that there are."""

    def shard(self, number: int) -> Shard:
        """Return one that takes no time."""
        shard = super().shard(number % math.ceil(len(self.manifest.clips) / self.options.shard_clips))
        return NoShard(shard.store, number, shard.jobs, shard.options, shard.videos)


class NoShard(Shard):
    """A shard that takes no time, so that what is left is the cost of handing it out."""

    def do(self, networks: Networks, *, on_clip: Callable[[ClipResult], None]) -> ShardCounts:
        """Return what a shard of 64 clips would."""
        return _answer(self.number)


def no_networks(threads: int, number: int) -> Networks:
    """Build nothing."""
    return Networks(estimator=None, versions={})  # type: ignore[arg-type]


def make_manifest(folder: Path, clips: int) -> Manifest:
    """Write and read a manifest as of a large data set: ids and paths of their own, labels, two protocols."""
    path, part = folder / "clips.csv", ("train", "val", "test", "")
    with path.open("w", encoding="utf-8") as file:
        file.write("clip_id,path,label,class_name,subject,camera,xsub,xview\n")
        for n in range(clips):
            file.write(f"S{n:08d},videos/{n % 1000:03d}/S{n:08d}.mp4,{n % 400},class {n % 400},")
            file.write(f"{n % 1000},{n % 3},{part[n % 4]},{part[n % 3]}\n")
    return read_manifest(path)


def children_mb() -> float:
    """Resident size of the largest process below this one: a worker."""
    sizes = [0]
    for child in psutil.Process().children(recursive=True):
        try:
            sizes.append(child.memory_info().rss)
        except psutil.NoSuchProcess:
            continue
    return max(sizes) / 2**20


def hand_out(shards: int, clips: int, workers: int) -> dict[str, float]:
    """Hand out shards as an extraction does; seconds from the first to the last answer, and memory."""
    config = ExtractOptions(workers=workers, threads=workers, frame_batch=32, quiet=True)
    answered: list[float] = []
    largest, looked = 0.0, 0.0

    def on_wait() -> None:
        nonlocal largest, looked
        if time.monotonic() - looked > 1:
            looked, largest = time.monotonic(), max(largest, children_mb())

    with tempfile.TemporaryDirectory() as name:
        before, reading = largest_resident_mb(), time.monotonic()
        folder = Path(name)
        work = NoWork(folder / "features.zarr", config, make_manifest(folder, clips))
        spec = StoreSpec(2, 64, 17, 64, "tiny", "none", "", {})
        StoreWriter.create(work.store, spec=spec, index=work.manifest.index()).close()
        begun, cpu = time.monotonic(), time.process_time()
        run_on_cluster(
            work,
            range(shards),
            build=no_networks,
            on_shard=lambda counts: answered.append(time.monotonic()),
            on_wait=on_wait,
            stop=StopRequest(),
        )
    if len(answered) != shards:
        raise SystemExit(f"expected {shards} answers, got {len(answered)}")
    return {
        "manifest_s": begun - reading,
        "start_s": answered[0] - begun,
        "seconds": answered[-1] - answered[0],
        "cpu_s": time.process_time() - cpu,
        "before_mb": before,
        "program_mb": largest_resident_mb(),
        "worker_mb": largest,
    }


def hand_all_at_once(shards: int, workers: int) -> dict[str, float]:
    """The same through `Client.map`: every task known to the scheduler from the start."""
    before, begun = largest_resident_mb(), time.monotonic()
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.submit(_answer, -1).result()
        started, cpu = time.monotonic(), time.process_time()
        futures = client.map(_answer, range(shards), pure=False)
        wait(futures)
        answers: list[Any] = client.gather(futures)
        seconds, worker = time.monotonic() - started, children_mb()
        cpu_s = time.process_time() - cpu
        if len(answers) != shards:
            raise SystemExit(f"expected {shards} answers, got {len(answers)}")
    return {
        "manifest_s": 0.0,
        "start_s": started - begun,
        "seconds": seconds,
        "cpu_s": cpu_s,
        "before_mb": before,
        "program_mb": largest_resident_mb(),
        "worker_mb": worker,
    }


def _answer(shard: int) -> ShardCounts:
    return ShardCounts(shard, 64, 0, 6592, 0.0, f"worker {os.getpid()}", again=False, versions={})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--shards", type=int, nargs="*", default=[1_000, 10_000])
    parser.add_argument("--clips", type=int, nargs="*", default=[], help="of a manifest")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--at-once", action="store_true", help="also all shards in one call of dask")
    parser.add_argument("--of", type=int, nargs=3, help=argparse.SUPPRESS)  # shards, clips, all at once
    options = parser.parse_args()
    if options.of:
        shards, clips, at_once = options.of
        found = (
            hand_all_at_once(shards, options.workers) if at_once else hand_out(shards, clips, options.workers)
        )
        print(json.dumps(found))
        return
    rows = [(shards, 64, way) for way in (0, 1)[: 1 + options.at_once] for shards in options.shards]
    rows += [(_SHARDS_WITH_CLIPS, clips, 0) for clips in options.clips]
    heads = ["shards", "handed out", "clips", "manifest and store s", "start s", "seconds", "ms per shard"]
    heads += ["CPU ms per shard, program", "MB before", "MB, program and scheduler", "MB per worker"]
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    for shards, clips, way in rows:
        command = [sys.executable, "-m", "benchmarks.tasks", "--workers", str(options.workers), "--of"]
        command += [str(shards), str(clips), str(way)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        found = json.loads(output.splitlines()[-1])
        cells = [
            f"{shards:,}", "all at once" if way else "as workers come free", f"{clips:,}",
            *(f"{found[name]:.1f}" for name in ("manifest_s", "start_s", "seconds")),
            f"{1000 * found['seconds'] / shards:.2f}",
            f"{1000 * found['cpu_s'] / shards:.2f}",
            *(f"{found[name]:.0f}" for name in ("before_mb", "program_mb", "worker_mb")),
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
