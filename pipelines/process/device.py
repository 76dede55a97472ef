"""Which device the networks run on, named to the user and never changed behind their back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import torch

__all__ = ["available_cores", "pick_device", "set_threads"]


def pick_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda`, `cuda:N` or `mps` into a device that is there.

    `auto` is a GPU by CUDA or the CPU: Apple's GPU lacks some operations, so it must be asked for.

    Raises:
        HeatpoolError: if the name is none of these or the device does not exist.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (number and not (kind == "cuda" and number.isdecimal())):
        raise HeatpoolError(f"expected --device auto, cpu, cuda, cuda:N or mps, got {name!r}")
    # Threads that wait for each other must sleep, not spin: where something else has one of the cores, small
    # networks would take ten times as long. OpenMP reads this when torch, which brings it, is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch  # 2 seconds of processor time, which a wrong name must not cost

    if kind == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise HeatpoolError(f"expected a GPU for --device {name}, torch sees {torch.cuda.device_count()}")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise HeatpoolError("expected an Apple GPU for --device mps, torch sees none")
    return torch.device(name)


def set_threads(count: int) -> int:
    """Let torch use `count` CPU threads, 0 for all cores this process may use; return the number."""
    import torch

    threads = count or available_cores()
    torch.set_num_threads(threads)
    return threads


def available_cores() -> int:
    """Return how many cores this process may use, as far as the system can tell."""
    if hasattr(os, "sched_getaffinity"):  # macOS and Windows have none
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
