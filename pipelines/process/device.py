"""Which device the networks run on, said out loud and never changed behind the user's back."""

from __future__ import annotations

import os

import torch

from heatpool.pool.errors import HeatpoolError

__all__ = ["available_cores", "pick_device", "set_threads"]


def pick_device(name: str) -> torch.device:
    """Turn `auto`, `cpu`, `cuda` or `cuda:N` into a device that is there.

    Raises:
        HeatpoolError: if the name is none of these or the device does not exist.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise HeatpoolError(f"expected --device auto, cpu, cuda or cuda:N, got {name!r}") from error
    if device.type not in ("cpu", "cuda"):
        raise HeatpoolError(f"expected --device auto, cpu, cuda or cuda:N, got {name!r}")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise HeatpoolError(f"expected a GPU for --device {name}, torch sees {torch.cuda.device_count()}")
    return device


def set_threads(count: int) -> int:
    """Let torch use `count` CPU threads, 0 for all cores this process may use; return the number."""
    threads = count or available_cores()
    torch.set_num_threads(threads)
    return threads


def available_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))
