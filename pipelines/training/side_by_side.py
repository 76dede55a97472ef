"""Groups of trainings at the same time on one CPU: one in this process, each other in one of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing import get_context
from typing import TYPE_CHECKING

import torch

from heatpool.pipelines.process.children import without_main
from heatpool.pipelines.process.device import set_threads
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.training.epoch_log import progress_note, read_epochs

if TYPE_CHECKING:
    from heatpool.pipelines.training.streams import StreamJob, StreamResult

__all__ = ["train_side_by_side"]

_Train = Callable[..., "list[StreamResult]"]


def train_side_by_side(
    groups: Sequence[Sequence[StreamJob]], train: _Train, *, threads: int, progress: Progress
) -> list[StreamResult]:
    """Train each group of jobs in turn, the groups side by side.

    This process has all that a training takes, so it trains the first group and does not sit by while others
    import it.

    Args:
        groups: two or more.
        train: trains a group: takes the jobs and what to call after each epoch; a function of a module.
        threads: CPU threads of a group.
        progress: shows the epochs of all groups.

    Returns:
        The results, group by group.
    """
    mine, *others = groups
    seen = 0

    def show() -> None:
        """Show what all have done; children share no terminal with us, so it is read from the files."""
        nonlocal seen
        begun = [[*filter(None, (read_epochs(job.out) for job in group))] for group in groups]
        epochs = sum(each.count for of_group in begun for each in of_group)
        progress.step(epochs - seen, note=progress_note(of_group[-1] for of_group in begun if of_group))
        seen = epochs

    before = torch.get_num_threads()
    with ProcessPoolExecutor(len(others), mp_context=get_context("spawn")) as pool:
        with without_main():  # a process starts when it is given something
            running = [pool.submit(_train_in_child, train, group, threads) for group in others]
        set_threads(threads)
        try:
            results = train(mine, show)
        finally:
            set_threads(before)
        waiting: set[Future[list[StreamResult]]] = set(running)
        while waiting:
            show()
            _, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
        show()
        return results + [result for future in running for result in future.result()]


def _train_in_child(train: _Train, group: Sequence[StreamJob], threads: int) -> list[StreamResult]:
    set_threads(threads)
    keep_heap()
    return train(group, None)
