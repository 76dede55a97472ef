"""The processes of a training: one, or those that `torchrun` started."""

from __future__ import annotations

import os
from typing import TypeVar

import numpy as np
import torch
from accelerate import Accelerator

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.hpnet.data import ModalClips
from heatpool.classify.training.recipe import TrainConfig
from heatpool.pool.errors import HeatpoolError

__all__ = ["is_first_process", "leave_processes", "make_accelerator", "process_count", "share_of"]

_Clips = TypeVar("_Clips", ClipSet, ModalClips)


def process_count() -> int:
    """Return how many processes torchrun started, 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this is the process that writes and talks."""
    return int(os.environ.get("RANK", "0")) == 0


def make_accelerator(config: TrainConfig) -> Accelerator:
    """Join the processes of a training on the device of its recipe; with torchrun each has a GPU of its own.

    Raises:
        HeatpoolError: if the device cannot compute in the recipe's type, or one GPU is named for several
            processes.
    """
    device = torch.device(config.device)
    if process_count() > 1 and device.index is not None:
        raise HeatpoolError(f"expected --device auto, cpu or cuda with torchrun, got {config.device}")
    if config.dtype == "float16" and device.type == "cpu":
        raise HeatpoolError("expected a GPU for --dtype float16; use float32 or bfloat16 on the CPU")
    if device.index is not None:
        torch.cuda.set_device(device)
    try:
        # mixed precision is the loop's: accelerate allows one precision in the life of a process
        return Accelerator(cpu=device.type == "cpu", mixed_precision="no")
    except ValueError as error:
        raise HeatpoolError(
            f"cannot train on {config.device}: {error}; one process trains on one device"
        ) from error


def share_of(clips: _Clips, accelerator: Accelerator) -> _Clips:
    """Return this process' share of some clips: every n-th of them with n processes."""
    if accelerator.num_processes == 1:
        return clips
    return clips.subset(np.arange(accelerator.process_index, len(clips), accelerator.num_processes))


def leave_processes() -> None:
    """Say goodbye to the other processes, at the end of the program."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
