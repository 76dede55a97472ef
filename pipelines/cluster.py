"""Shards spread over dask workers: processes of this machine, or a cluster that is there already.

A task is one shard; what every shard needs goes to each worker once, and its first task there builds the
networks, which never travel. A worker that dies costs the shard that it had: dask gives it to another one.
"""

from __future__ import annotations

import logging
import secrets
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from typing import Any

import dask
from dask.distributed import Client, Future, KilledWorker, LocalCluster, WorkerPlugin, get_worker, wait
from tqdm import tqdm

from pipelines.device import available_cores
from pipelines.interrupt import StopRequest
from pipelines.shards import Networks, ShardCounts, ShardWork
from pool.errors import HeatpoolError
from pool.records import ClipResult

__all__ = ["Build", "run_on_cluster"]

Build = Callable[[ShardWork, int, int], Networks]
"""Makes the networks in a worker from the work, its CPU threads, and its number on its machine."""

_POLL_S = 1.0
_CONNECT_S = 10.0
_SPARE = 4  # tasks that wait beyond two a worker: a cluster that grows with the load sees some
_RUNS = "heatpool_runs"


def run_on_cluster(
    work: ShardWork,
    shards: Sequence[int],
    *,
    build: Build,
    on_shard: Callable[[ShardCounts], None],
    on_wait: Callable[[], None],
    stop: StopRequest,
) -> None:
    """Spread shards over the workers of `--scheduler`, or over `--workers` local processes.

    Args:
        work: what every worker needs.
        shards: shards to do.
        build: makes the networks in a worker; a function that can be imported there.
        on_shard: called for each shard once it is written.
        on_wait: called about once a second in between.
        stop: when it is asked, shards under way are finished and no others begun.

    Raises:
        HeatpoolError: if the scheduler is not there or is lost, a shard ends its workers again and again,
            and whatever a worker raised; finished shards are safe.
        KeyboardInterrupt: if it stopped before all shards were done.
    """
    token = secrets.token_hex(4)
    with _quiet_dask(), _client(work) as client:
        local = not work.config.scheduler
        run = _ClusterRun(client, token, work)
        try:
            client.register_plugin(_BringWork(token, work, build, local=local), name=f"heatpool-{token}")
            run.drive(deque(shards), on_shard, on_wait, stop)
        except BaseException:
            run.abandon()
            raise
        if not local:
            client.unregister_worker_plugin(f"heatpool-{token}")


class _ClusterRun:
    """One extraction on a cluster, seen from here."""

    def __init__(self, client: Client, token: str, work: ShardWork) -> None:
        self._client, self._token, self._work = client, token, work
        self._place = work.config.scheduler or "the workers"
        self._under_way: dict[Future, int] = {}
        self._workers, self._said_none = 0, False

    def drive(
        self,
        waiting: deque[int],
        on_shard: Callable[[ShardCounts], None],
        on_wait: Callable[[], None],
        stop: StopRequest,
    ) -> None:
        """Hand out shards as workers come free; see `run_on_cluster`."""
        told, left = False, 0
        self._count_workers()
        while self._under_way or (waiting and not stop.asked):
            if stop.asked and not told:
                self._tell("after this shard")
                told = True
            while waiting and not stop.asked and len(self._under_way) < 2 * self._workers + _SPARE:
                shard = waiting.popleft()
                future = self._client.submit(_task, self._token, shard, pure=False)
                self._under_way[future] = shard
            for counts in self._finished():
                if counts is None:
                    left += 1
                else:
                    on_shard(counts)
            on_wait()
        if left or waiting:
            raise KeyboardInterrupt

    def abandon(self) -> None:
        """Let go of what is under way; workers that are not ours stop after the clip they are at."""
        with suppress(Exception):  # what ended the run is what has to be told, and the scheduler may be gone
            if self._client.status == "running":
                self._client.cancel(list(self._under_way))
                self._tell("now")

    def _finished(self) -> list[ShardCounts | None]:
        """Wait a moment for tasks; return what those that ended gave, None for a shard that was not begun."""
        try:
            done = wait(list(self._under_way), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            self._count_workers()
            return []
        except CancelledError as error:
            raise self._lost() from error
        results = []
        for future in done:
            shard = self._under_way.pop(future)
            try:
                results.append(future.result())
            except KilledWorker as error:
                raise HeatpoolError(
                    f"shard {shard} ended its worker {self._attempts()} times although each of its clips can be "
                    "decoded; look at the memory of the machine, then go on with --resume"
                ) from error
            except CancelledError as error:
                raise self._lost() from error
        return results

    def _count_workers(self) -> None:
        if self._client.status != "running":
            raise self._lost()
        try:
            self._workers = len(self._client.nthreads())
        except OSError as error:
            raise self._lost() from error
        if not self._workers and not self._said_none:
            self._said_none = True
            tqdm.write(f"waiting: {self._place} has no worker at the moment", file=sys.stderr)

    def _lost(self) -> HeatpoolError:
        return HeatpoolError(
            f"lost the scheduler of {self._place}; finished shards are kept, go on with --resume"
        )

    def _attempts(self) -> int:
        return int(dask.config.get("distributed.scheduler.allowed-failures")) + 1

    def _tell(self, when: str) -> None:
        self._client.run(_stop_run, self._token, when, wait=False)


class _WorkerRun:
    """One extraction in a worker."""

    def __init__(self, work: ShardWork, build: Build, threads: int, number: int) -> None:
        self.stop = ""
        self._work, self._build, self._place = work, build, (threads, number)
        self._networks: Networks | None = None
        self._one_at_a_time = threading.Lock()  # a worker may have several threads, networks are for one

    def do(self, shard: int) -> ShardCounts | None:
        with self._one_at_a_time:
            if self.stop:
                return None
            if self._networks is None:
                self._networks = self._build(self._work, *self._place)
            return self._work.do(shard, self._networks, on_clip=self._go_on)

    def _go_on(self, result: ClipResult) -> None:
        if self.stop == "now":
            raise HeatpoolError("stopped")


class _BringWork(WorkerPlugin):
    """Brings to each worker, also to those that come later, what its tasks need."""

    def __init__(self, token: str, work: ShardWork, build: Build, *, local: bool) -> None:
        self._token, self._work, self._build, self._local = token, work, build, local

    def setup(self, worker: Any) -> None:
        config = self._work.config
        if self._local:
            # Ctrl-C reaches every process of the terminal; the parent alone answers it and ends its workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            threads = max((config.threads or available_cores()) // config.workers, 1)
            number = int(worker.name)
        else:
            threads, number = config.threads or worker.state.nthreads, 0
        runs = worker.__dict__.setdefault(_RUNS, {})
        runs[self._token] = _WorkerRun(self._work, self._build, threads, number)

    def teardown(self, worker: Any) -> None:
        getattr(worker, _RUNS, {}).pop(self._token, None)


def _task(token: str, shard: int) -> ShardCounts | None:
    done: ShardCounts | None = getattr(get_worker(), _RUNS)[token].do(shard)
    return done


def _stop_run(token: str, when: str, dask_worker: Any) -> None:
    """Tell a worker to begin no shard (`after this shard`), or to leave even the one it is at (`now`)."""
    run = getattr(dask_worker, _RUNS, {}).get(token)
    if run is not None:
        run.stop = when


@contextmanager
def _client(work: ShardWork) -> Iterator[Client]:
    address = work.config.scheduler
    if not address:
        with _local_cluster(work.config.workers) as cluster, Client(cluster, set_as_default=False) as client:
            yield client
        return
    try:
        client = Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise HeatpoolError(
            f"expected a dask scheduler at {address}: {str(error).splitlines()[0]}"
        ) from error
    try:
        yield client
    finally:
        client.close(timeout=_CONNECT_S if client.status == "running" else 0)


# Environment of a worker from its first instruction. Dask asks glibc to give memory back at once, which for
# tensors that come and go means mapping and clearing their pages anew each time: half of the run time here.
_WORKER_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(1 << 30),
    "MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "OMP_WAIT_POLICY": "PASSIVE",
}


@contextmanager
def _local_cluster(workers: int) -> Iterator[LocalCluster]:
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT}),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # crops in flight are bounded by us; dask's restarts would lose a shard's work
            dashboard_address=None,
            silence_logs=logging.ERROR,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _quiet_dask() -> Iterator[None]:
    """Keep dask's own log lines from people: what they have to know is said in one line by us."""
    loggers = [logging.getLogger(name) for name in ("distributed", "asyncio", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
