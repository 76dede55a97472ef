"""Shards of a store, done one after the other in this process or spread over dask workers.

A task is one shard: it reads its clips, writes its files and returns two numbers. Networks are built
once a process and never travel.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from dask.distributed import Client, LocalCluster, WorkerPlugin, as_completed, get_worker

from extract.engine import ClipJob, ExtractOptions, Outcome, extract_clips
from extract.manifest import Manifest
from extract.posers import Poser
from extract.rgb import RgbEncoder
from extract.sampling import Sampling
from extract.tracking import SELECTIONS
from pipelines.configs import ExtractConfig
from pool.records import Status
from pool.writer import StoreWriter

__all__ = ["Networks", "ShardCounts", "ShardWork", "run_here", "run_on_workers"]


@dataclass(frozen=True, eq=False)
class Networks:
    """What a process runs over frames: the pose part, and the encoder of RGB crops if there is one."""

    poser: Poser[Any]
    rgb: RgbEncoder | None = None


@dataclass(frozen=True)
class ShardCounts:
    """What a finished shard held: clips, and how many of them failed or are truncated."""

    clips: int
    damaged: int


@dataclass(frozen=True)
class ShardWork:
    """All that a process needs to do shards; small enough to be sent to it.

    Attributes:
        store: folder of the store.
        config: options of the run.
        manifest: clips, in the order of the store.
    """

    store: Path
    config: ExtractConfig
    manifest: Manifest

    def do(
        self, shard: int, networks: Networks, *, on_clip: Callable[[bool], None] = lambda damaged: None
    ) -> ShardCounts:
        """Extract the clips of a shard and write them; `on_clip` hears of each, and whether it is damaged."""
        writer = StoreWriter.attach(self.store)
        damaged = 0

        def count(job: ClipJob, outcome: Outcome) -> None:
            nonlocal damaged
            bad = outcome.result.status in (Status.FAILED, Status.TRUNCATED)
            damaged += bad
            on_clip(bad)

        rows = writer.shard_rows(shard)
        outcomes = extract_clips(
            self.jobs(rows), self.options(), poser=networks.poser, rgb=networks.rgb, on_clip=count
        )
        writer.write_shard(shard, [each.features for each in outcomes], [each.result for each in outcomes])
        return ShardCounts(len(rows), damaged)

    def options(self) -> ExtractOptions:
        """Return how clips become features."""
        config = self.config
        return ExtractOptions(
            persons=config.persons,
            steps=config.steps,
            selection=SELECTIONS[config.person_selection],
            gaps="zeros" if config.person_selection == "first" else "skip",
            frame_batch=config.frame_batch,
            person_batch=config.person_batch,
            decode_threads=config.decode_threads,
            sampling=Sampling(frame_stride=config.frame_stride, sample_fps=config.sample_fps),
        )

    def jobs(self, rows: Sequence[int]) -> list[ClipJob]:
        """Return the clips of some rows of the manifest, as jobs."""
        clips = [(row, self.manifest.clips[row]) for row in rows]
        return [ClipJob(row, clip.path, clip.start_s, clip.end_s, clip.persons) for row, clip in clips]


def run_here(
    work: ShardWork, shards: Sequence[int], networks: Networks, *, on_clip: Callable[[bool], None]
) -> None:
    """Do shards in a plain loop."""
    for shard in shards:
        work.do(shard, networks, on_clip=on_clip)


class _BuildNetworks(WorkerPlugin):
    """Builds the networks once on each worker."""

    name = "heatpool-networks"

    def __init__(self, work: ShardWork, build: Callable[[ShardWork], Networks]) -> None:
        self._work, self._build = work, build

    def setup(self, worker: Any) -> None:
        # Ctrl-C reaches every process of the terminal; the parent alone answers it and ends its workers.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        worker.heatpool = (self._work, self._build(self._work))


def _task(shard: int) -> ShardCounts:
    worker: Any = get_worker()
    work, networks = worker.heatpool
    return work.do(shard, networks)


def run_on_workers(
    work: ShardWork,
    shards: Sequence[int],
    *,
    workers: int,
    build: Callable[[ShardWork], Networks],
    on_shard: Callable[[ShardCounts], None],
) -> None:
    """Spread shards over local worker processes.

    Args:
        work: what every worker needs.
        shards: shards to do.
        workers: processes.
        build: makes the networks in a worker; a function that can be imported there.
        on_shard: called for each shard once it is written.

    Raises:
        HeatpoolError: whatever a worker raised; finished shards are safe.
    """
    with _cluster(workers) as client:
        client.register_plugin(_BuildNetworks(work, build))
        for future in as_completed(client.map(_task, shards, pure=False)):
            on_shard(future.result())


# Environment of a worker from its first instruction. Dask asks glibc to give memory back at once, which for
# tensors that come and go means mapping and clearing their pages anew each time: half of the run time here.
_WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "OMP_WAIT_POLICY": "PASSIVE",
}


@contextmanager
def _cluster(workers: int) -> Iterator[Client]:
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # crops in flight are bounded by us; dask's restarts would lose a shard's work
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
