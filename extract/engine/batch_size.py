"""Batches that turn out to be too large for the memory are done in halves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from heatpool.pool.disk.accidents import is_out_of_memory
from heatpool.pool.errors import HeatpoolError

__all__ = ["BatchHalver", "Memory"]

_log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


class BatchHalver:
    """Runs a function over batches, in smaller parts once a batch did not fit into memory.

    The size that fitted is kept for the batches that follow, and the change is logged once.

    Args:
        what: things that a batch holds, for messages.
        option: that sets how many a batch holds.
    """

    def __init__(self, what: str, option: str) -> None:
        self._what, self._option = what, option
        self._most: int | None = None
        self._warned = False

    def run(
        self, function: Callable[[Sequence[T]], R], batch: Sequence[T]
    ) -> Iterator[tuple[Sequence[T], R]]:
        """Yield parts of a batch, in order, each with what `function` gave for it.

        Raises:
            HeatpoolError: if not even one fits.
        """
        at = 0
        while at < len(batch):
            part = batch[at : at + (self._most or len(batch))]
            try:
                result = function(part)
            except Exception as error:
                if not isinstance(error, torch.cuda.OutOfMemoryError) and not is_out_of_memory(error):
                    raise
                self._halve(len(part), error)
            else:
                at += len(part)
                yield part, result
                continue
            # Out here the exception is gone, and with it the frames that held the batch's tensors.
            if torch.cuda.is_initialized():
                torch.cuda.empty_cache()

    def _halve(self, count: int, error: Exception) -> None:
        if count == 1:
            reason = str(error).splitlines()[0]
            raise HeatpoolError(f"not enough memory for one of {self._what}: {reason}") from error
        self._most = (count + 1) // 2
        if not self._warned:
            _log.warning(
                "out of memory with %d %s at once: continuing with %d; %s sets it",
                count,
                self._what,
                self._most,
                self._option,
            )
            self._warned = True


class Memory:
    """What is known of a process's memory: the batches that fitted, by what they are of."""

    def __init__(self) -> None:
        self.frames = BatchHalver("frames", "--frame-batch")
        self.persons = BatchHalver("persons", "--person-batch")
        self.crops = BatchHalver("clips' crops", "--person-batch")
