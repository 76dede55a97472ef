"""Which of the processes that `torchrun` started this is, told without torch."""

from __future__ import annotations

import os

__all__ = ["is_first_process", "process_count"]


def process_count() -> int:
    """Return how many processes torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this is the process that writes and talks."""
    return int(os.environ.get("RANK", "0")) == 0
