"""The processes of a training: one, or those that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.training.ranks import process_count
from heatpool.classify.training.recipe import Recipe
from heatpool.pool.errors import HeatpoolError

__all__ = ["Processes", "leave_processes"]


class Processes:
    """What the processes of a training do together; with one of them nothing has to be done.

    Args:
        recipe: names the device; with torchrun each process has a GPU of its own.

    Attributes:
        count: how many there are.
        index: which this one is.
        device: of this process.

    Raises:
        HeatpoolError: if the device cannot compute in the recipe's type, or one GPU is named for several
            processes.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.count, self.index = process_count(), int(os.environ.get("RANK", "0"))
        self.device = torch.device(recipe.device)
        if self.count > 1 and self.device.index is not None:
            raise HeatpoolError(f"expected --device auto, cpu or cuda with torchrun, got {recipe.device}")
        if recipe.dtype == "float16" and self.device.type == "cpu":
            raise HeatpoolError("expected a GPU for --dtype float16; use float32 or bfloat16 on the CPU")
        on_gpu = self.device.type == "cuda"
        if self.count > 1 and on_gpu:
            self.device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        if on_gpu and self.device.index is not None:
            torch.cuda.set_device(self.device)
        if self.count > 1 and not torch.distributed.is_initialized():  # it lasts for all streams and seeds
            torch.distributed.init_process_group("nccl" if on_gpu else "gloo")

    def wrap(self, module: nn.Module) -> Any:
        """Return a module on its device whose gradients are averaged over the processes."""
        module = module.to(self.device)
        if self.count == 1:
            return module
        gpus = [self.device] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=gpus)

    def alone(self, module: Any) -> AbstractContextManager[None]:
        """A context in which backward passes of a wrapped module exchange nothing."""
        return nullcontext() if self.count == 1 else module.no_sync()

    def sum(self, values: Tensor) -> Tensor:
        """Add up the values of all processes, in place."""
        if self.count > 1:
            torch.distributed.all_reduce(values)
        return values

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Give all processes the values of the first, in place."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, src=0)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    def part(self, clips: ClipSet) -> ClipSet:
        """Return this process' part of some clips: every n-th of them with n processes."""
        if self.count == 1:
            return clips
        return clips.subset(np.arange(self.index, len(clips), self.count))


def leave_processes() -> None:
    """Wait for the other processes and say goodbye to them, at the end of the program."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()  # what the first one wrote is there for all
        torch.distributed.destroy_process_group()
