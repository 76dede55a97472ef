"""Which of its two ways CTR-GCN computes by on a GPU, found out by taking a few steps of each."""

from __future__ import annotations

import logging
from copy import deepcopy
from typing import Any

import numpy as np
from torch import nn

from heatpool.classify.data.clips import ClipSet
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.training.architecture import Architecture, NetworkShape
from heatpool.classify.training.timing import time_step

__all__ = ["choose_kernels"]

_log = logging.getLogger(__name__)


def choose_kernels(
    architecture: Architecture,
    clips: ClipSet,
    *,
    network: nn.Module | None = None,
    shape: NetworkShape | None = None,
) -> dict[str, Any]:
    """Let the CTR-GCNs of a network compute by what is faster for the first batch; the log says what that is.

    The kernels are arranged for a CPU's caches, and there they always win (docs/benchmarks.md). On a GPU it
    depends on the card, the sizes and the precision. Results are equal but for rounding. For one process.

    Args:
        architecture: kind and recipe of the network.
        clips: to learn from.
        network: that will be trained; default one of the architecture. It is not trained here.
        shape: sizes of the network; default those of the skeleton features.

    Returns:
        `network` and `shape` as arguments of `train_network`.
    """
    shape = shape or NetworkShape.of(clips)
    network = network or architecture.build(shape)
    parts = [module for module in network.modules() if isinstance(module, CTRGCN)]
    batch = clips.subset(np.arange(min(len(clips), architecture.shared.batch_size)))
    seconds = {}
    for plain in (False, True) if parts else ():
        for part in parts:
            part.plain = plain
        seconds[plain] = time_step(architecture, deepcopy(network), shape, batch)
    if seconds:
        plain = seconds[True] < seconds[False]
        for part in parts:
            part.plain = plain
        way = "torch's own operations" if plain else "heatpool's kernels"
        mine, other = (1000 * seconds[each] for each in (plain, not plain))
        _log.info("CTR-GCN computes by %s: %.1f ms a step, %.1f by the other way", way, mine, other)
    return {"network": network, "shape": shape}
