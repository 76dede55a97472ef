"""Clients of dask, set up for networks: of this machine's processes, or of a cluster that runs already."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import dask
from dask.distributed import Client, LocalCluster

from heatpool.pipelines.process.malloc import HEAP_ENVIRONMENT
from heatpool.pool.errors import HeatpoolError

__all__ = ["open_client", "quiet_dask"]

_CONNECT_S = 10.0


@contextmanager
def open_client(scheduler: str | None, workers: int) -> Iterator[Client]:
    """Give a client of the scheduler at an address, without one of as many processes of this machine.

    Raises:
        HeatpoolError: if no scheduler answers there.
    """
    if not scheduler:
        with _local_cluster(workers) as cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(scheduler, timeout=_CONNECT_S)
    except (OSError, ValueError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise HeatpoolError(f"expected a dask scheduler at {scheduler}: {reason}") from error
    try:
        yield client
    finally:
        with suppress(TimeoutError):  # it waits in vain for a scheduler that is gone
            client.close(timeout=_CONNECT_S if client.status == "running" else 1)


# Environment of a worker from its first instruction. Dask asks glibc to give memory back at once, which for
# tensors that come and go means mapping and clearing their pages anew each time: half of the run time here.
# Its logger speaks before it is silenced, when a worker is stopped while it starts.
_WORKER_ENVIRONMENT = {
    "DASK_LOGGING__DISTRIBUTED": "critical",
    "OMP_WAIT_POLICY": "PASSIVE",
    **HEAP_ENVIRONMENT,
}


@contextmanager
def _local_cluster(workers: int) -> Iterator[LocalCluster]:
    with (
        dask.config.set(
            {
                "distributed.nanny.pre-spawn-environ": _WORKER_ENVIRONMENT,
                # Goes by the wall clock: when that jumps, dask would end workers that are well. Their nannies
                # see which ones die.
                "distributed.scheduler.worker-ttl": None,
                "distributed.worker.profile.enabled": False,  # looks at what a task does every 10 ms
            }
        ),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,  # crops in flight are bounded by us; dask's restarts would lose a shard's work
            dashboard_address="127.0.0.1:0",  # any free port; None: 8787, and a warning if it is taken
            scheduler_kwargs={"dashboard": False},
            silence_logs=logging.ERROR,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def quiet_dask() -> Iterator[None]:
    """Keep dask's own log lines from people: what they have to know is logged in one line by us."""
    names = [name for name in logging.root.manager.loggerDict if name.startswith(("distributed", "tornado"))]
    loggers = [logging.getLogger(name) for name in (*names, "asyncio")]  # several have levels of their own
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
