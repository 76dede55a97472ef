"""Shards spread over dask workers: processes of this machine, or a cluster that is there already.

A task is one shard and brings its clips. Networks never travel: the first task in a worker builds them there.
A worker that dies costs the shard that it had: dask gives it to another one.
"""

from __future__ import annotations

import logging
import math
import pickle
import secrets
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

from dask.distributed import Client, Future, KilledWorker, WorkerPlugin, get_worker, wait

from heatpool.pipelines.extraction.dask_client import open_client, quiet_dask
from heatpool.pipelines.extraction.marks import is_marked
from heatpool.pipelines.extraction.shard_counts import ShardCounts
from heatpool.pipelines.extraction.shards import Networks, Shard, ShardWork
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.interrupt import StopRequest
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult

__all__ = ["Build", "run_on_cluster"]

_log = logging.getLogger(__name__)

Build = Callable[[int, int], Networks]
"""Makes the networks in a worker from its CPU threads, and its number on its machine."""

_POLL_S = 1.0
_COUNT_S = 5.0
_START_S = 30.0
_SPARE = 4  # tasks that wait beyond two a worker: a cluster that grows with the load sees some
_RETURNS = 3  # shards that come back not begun, for each worker, while no other is done
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
        work: what the shards are of; each worker gets its own clips only.
        shards: numbers of the shards to do.
        build: makes the networks in a worker; goes to each of them.
        on_shard: called for each shard once it is written.
        on_wait: called about every second in between.
        stop: when it is asked, shards under way are finished and no others begun.

    Raises:
        HeatpoolError: if the scheduler is not there or is lost, workers end again and again,
            and whatever a worker raised; finished shards are safe.
        KeyboardInterrupt: if it stopped before all shards were done.
    """
    # Several runs may share one cluster: each finds its own things on the workers by its token.
    token = secrets.token_hex(4)
    with quiet_dask(), open_client(work.options.scheduler, work.options.workers) as client:
        local = not work.options.scheduler
        run = _ClusterRun(client, token, work)
        try:
            run.bring(_BringWork(token, work.options, build, local=local))
            run.drive(shards, on_shard, on_wait, stop)
        finally:
            run.leave()


class _ClusterRun:
    """One extraction on a cluster, seen from here."""

    def __init__(self, client: Client, token: str, work: ShardWork) -> None:
        self._client, self._token, self._work = client, token, work
        self._place = work.options.scheduler or "the workers"
        self._waiting: deque[int] = deque()
        self._under_way: dict[Future[Any], int] = {}
        self._returned = 0
        self._workers, self._counted, self._warned = 0, -math.inf, False

    def bring(self, work: _BringWork) -> None:
        """Give every worker what its tasks need."""
        try:
            self._client.register_plugin(work, name=f"heatpool-{self._token}")
        except Exception as error:  # dask passes on the text alone: of a worker without heatpool, as a rule
            if isinstance(error, OSError) or "Stream is closed" in str(error):
                raise HeatpoolError(
                    f"a worker of {self._place} ended while it started: check the machine's memory, then use "
                    "--resume, perhaps with fewer workers"
                ) from error
            raise HeatpoolError(
                f"a worker of {self._place} cannot take the work, it needs this version of heatpool: {error}"
            ) from error

    def drive(
        self,
        shards: Sequence[int],
        on_shard: Callable[[ShardCounts], None],
        on_wait: Callable[[], None],
        stop: StopRequest,
    ) -> None:
        """Hand out shards as workers come free; see `run_on_cluster`."""
        asked, left = False, 0
        waiting = self._waiting = deque(shards)
        while self._under_way or (waiting and not stop.asked):
            self._count_workers()
            if stop.asked and not asked:
                self._ask_to_stop("after this shard")
                asked = True
            # One task under way and one waiting for each worker, so that none is idle between shards. All at
            # once would fill the scheduler's memory and could not be stopped after the shards under way.
            while waiting and not stop.asked and len(self._under_way) < 2 * self._workers + _SPARE:
                shard = waiting.popleft()
                # Packed here: dask's scheduler would unpack and pack again what it is to pass on.
                packed = pickle.dumps(self._work.shard(shard))
                # Not pure: dask would answer a shard that is done again with what it remembers of the first.
                future = self._client.submit(_task, self._token, packed, pure=False)
                self._under_way[future] = shard
            for counts in self._finished():
                if counts is None:
                    left += 1
                else:
                    on_shard(counts)
            on_wait()
        if left or waiting:
            raise KeyboardInterrupt

    def leave(self) -> None:
        """Leave nothing on the workers; those at a shard still stop after the clip they are at."""
        if self._client.status != "running":
            return
        with suppress(Exception):  # whatever ended the run is what has to be reported
            if self._under_way:
                self._client.cancel(list(self._under_way))
                self._ask_to_stop("now")
            self._client.unregister_worker_plugin(f"heatpool-{self._token}")
            # A worker that is just starting again would not end without noise.
            if not self._work.options.scheduler:
                self._client.wait_for_workers(self._work.options.workers, timeout=_START_S)

    def _finished(self) -> list[ShardCounts | None]:
        """Wait a moment for tasks; return what those that ended gave, None for a shard that was not begun."""
        try:
            # A moment only: Ctrl-C, progress and workers that come or go are looked at in between.
            done = wait(list(self._under_way), timeout=_POLL_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return []
        except CancelledError as error:
            raise self._lost() from error
        results = []
        for future in done:
            shard = self._under_way.pop(future)
            try:
                result = future.result()
            except KilledWorker as error:
                self._take_back(shard, error)
                continue
            except CancelledError as error:
                raise self._lost() from error
            if isinstance(result, HeatpoolError):
                raise result
            results.append(result)
            self._returned = 0
        return results

    def _take_back(self, shard: int, error: KilledWorker) -> None:
        """Let a shard that lost its workers wait again, if it may not be its fault and others get on."""
        # Dask gives a task up when several workers died that had it. A mark in the store tells whether one of
        # them had begun the shard; without a mark they died of something else while it waited.
        if is_marked(self._work.store, shard):
            raise HeatpoolError(
                f"shard {shard} ended its worker again and again although its clips can be decoded; "
                "check the memory of the machine, then use --resume"
            ) from error
        self._waiting.append(shard)  # dask blames all tasks that a worker had to do
        if any(is_marked(self._work.store, other) for other in self._under_way.values()):
            return  # a worker is at a shard: networks fit, and the run gets on
        self._returned += 1
        if self._returned >= _RETURNS * max(self._workers, self._work.options.workers, 1):
            raise HeatpoolError(
                "workers end again and again before they begin a shard: check the memory of the machine, "
                "which has to hold the networks of each, then use --resume, perhaps with fewer workers"
            ) from error

    def _count_workers(self) -> None:
        """Look now and then who is there: workers come and go."""
        if self._client.status != "running":
            raise self._lost()
        if time.monotonic() - self._counted < _COUNT_S:
            return
        self._counted = time.monotonic()
        try:
            self._workers = len(self._client.nthreads())
        except OSError as error:
            raise self._lost() from error
        options, cluster = self._work.options, self._client.cluster
        if cluster is not None and self._workers < options.workers:
            cluster.scale(options.workers)  # dask gives up those that die while they start
        if options.scheduler and not self._workers and not self._warned:
            self._warned = True
            _log.warning("waiting: %s has no worker at the moment", self._place)

    def _lost(self) -> HeatpoolError:
        return HeatpoolError(
            f"lost the scheduler of {self._place}; finished shards are kept, --resume does the others"
        )

    def _ask_to_stop(self, when: str) -> None:
        self._client.run(_stop_run, self._token, when, on_error="ignore")


class _WorkerRun:
    """One extraction in a worker."""

    def __init__(self, build: Build, threads: int, number: int) -> None:
        self.stop = ""
        self._build, self._place = build, (threads, number)
        self._networks: Networks | None = None
        self._one_at_a_time = threading.Lock()  # a worker may have several threads, networks are for one

    def do(self, shard: Shard) -> ShardCounts | None:
        with self._one_at_a_time:
            if self.stop:
                return None
            if self._networks is None:  # by the first task: a worker that gets none loads none
                self._networks = self._build(*self._place)
            return shard.do(self._networks, on_clip=self._go_on)

    def _go_on(self, result: ClipResult) -> None:
        if self.stop == "now":
            raise HeatpoolError("stopped")  # between clips: nothing of the shard is written, its mark goes


class _BringWork(WorkerPlugin):
    """Brings to each worker, also to those that come later, what its tasks need."""

    def __init__(self, token: str, options: ExtractOptions, build: Build, *, local: bool) -> None:
        self._token, self._options, self._build, self._local = token, options, build, local

    def setup(self, worker: Any) -> None:
        options = self._options
        if self._local:
            # Ctrl-C reaches every process of the terminal, and SLURM's SIGTERM every process of the job; the
            # parent alone answers them and ends its workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            threads = max((options.threads or available_cores()) // options.workers, 1)
            number = int(worker.name)  # a LocalCluster numbers its workers
        else:
            threads, number = options.threads or worker.state.nthreads, 0
        # On the worker object, not in a module: tasks and `_stop_run` reach it there, and it goes with it.
        runs = worker.__dict__.setdefault(_RUNS, {})
        runs[self._token] = _WorkerRun(self._build, threads, number)

    def teardown(self, worker: Any) -> None:
        getattr(worker, _RUNS, {}).pop(self._token, None)


def _task(token: str, shard: bytes) -> ShardCounts | HeatpoolError | None:
    run: _WorkerRun = getattr(get_worker(), _RUNS)[token]
    try:
        # What `drive` packed; whoever could send another pickle could send any code (docs/cluster.md).
        return run.do(pickle.loads(shard))
    except HeatpoolError as error:
        return error  # raised, dask would log it with its traceback in every worker's terminal


def _stop_run(token: str, when: str, dask_worker: Any) -> None:
    """Tell a worker to begin no shard (`after this shard`), or to leave even the one it is at (`now`)."""
    run = getattr(dask_worker, _RUNS, {}).get(token)
    if run is not None:
        run.stop = when
