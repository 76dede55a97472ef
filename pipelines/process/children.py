"""Child processes that do not run the user's script again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from typing import Any

__all__ = ["without_main"]

_lock = threading.Lock()
_blocks = 0
_preparation = spawn.get_preparation_data


@contextmanager
def without_main() -> Iterator[None]:
    """Keep children that are spawned within from importing `__main__`, in all threads.

    A spawned child first imports the module that the program was started with, so that it knows what is
    defined there. In a script without `if __name__ == "__main__":` that runs everything once more, up to the
    line that spawns, which Python then refuses. Our children run functions of this package only.
    """
    global _blocks
    with _lock:  # blocks of several threads may overlap, so each is counted
        _blocks += 1
        spawn.get_preparation_data = _without_main
    try:
        yield
    finally:
        with _lock:
            _blocks -= 1
            if not _blocks:
                spawn.get_preparation_data = _preparation


def _without_main(name: str) -> dict[str, Any]:
    prepared = dict(_preparation(name))
    return {key: value for key, value in prepared.items() if not key.startswith("init_main_from")}
