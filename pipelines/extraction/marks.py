"""Marks in a store of the shards that are under way: one that is found later names a process that died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heatpool.pool.disk.files import clean_leftovers
from heatpool.pool.disk.locks import clear_dead_locks
from heatpool.pool.errors import HeatpoolError

__all__ = ["clear_dead", "is_marked", "marked"]

# Named as what is being written: no reader asks for it and archives leave it out.
_MARK = ".tmp-mark"


@contextmanager
def marked(store: Path, shard: int) -> Iterator[bool]:
    """Mark a shard as under way; yields whether it bore a mark, and takes it off unless the process dies."""
    mark = store / f"{_MARK}{shard:07d}"
    try:
        again = is_marked(store, shard)
        mark.touch()
    except OSError as error:
        raise HeatpoolError(
            f"{store}: cannot write shard {shard} ({error.strerror}); repair that and use --resume"
        ) from error
    try:
        yield again
    finally:  # by an error or Ctrl-C too: only a process that dies leaves its mark
        mark.unlink(missing_ok=True)


def is_marked(store: Path, shard: int) -> bool:
    """Whether a shard is under way, or was when its process died."""
    return (store / f"{_MARK}{shard:07d}").exists()


def clear_dead(store: Path) -> None:
    """Remove what processes that died left in a store whose shards are all finished.

    Raises:
        HeatpoolError: if the folder cannot be changed.
    """
    try:
        for mark in store.glob(f"{_MARK}*"):
            mark.unlink(missing_ok=True)
        clean_leftovers(store)
        clear_dead_locks(store, prefix=".lock-shard", what=str(store))
    except OSError as error:
        raise HeatpoolError(f"{store}: cannot clear up ({error.strerror})") from error
