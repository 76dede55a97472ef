"""How long a training step takes on this machine, found out by taking some."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import nn

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.training.architecture import Architecture, NetworkShape, RandomSources
from heatpool.classify.training.loop import _Loop
from heatpool.classify.training.processes import Processes

__all__ = ["time_step"]

_STEPS = 3
_ENOUGH_S = 1.0


def time_step(architecture: Architecture, network: nn.Module, shape: NetworkShape, clips: ClipSet) -> float:
    """Return the seconds of one training step whose batch is all of some clips: the mean of up to three.

    The first step is not counted: it loads kernels and fills caches. Nothing is written, and random numbers
    that are drawn elsewhere stay the same. For one process.

    Args:
        architecture: kind and recipe of the network.
        network: of this architecture and shape; it is trained a little, throw it away.
        shape: sizes of the network.
        clips: labelled, at least two.
    """
    processes = Processes(architecture.shared)
    loop = _Loop(architecture, network, shape, clips, clips, processes)
    random = RandomSources(torch.Generator().manual_seed(0), np.random.default_rng(0))
    taken: list[float] = []
    loop.objective.train()
    with torch.random.fork_rng(devices=[]):
        while len(taken) <= _STEPS and sum(taken) < _ENOUGH_S + (taken[0] if taken else 0):
            started = time.perf_counter()
            sums = loop._step([torch.arange(len(clips))], random)
            sums.tolist()  # a GPU is ready when its result is
            taken.append(time.perf_counter() - started)
    counted = taken[1:] or taken
    return sum(counted) / len(counted)
