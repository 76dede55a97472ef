"""Weights and inputs that depend only on a tensor's name and shape: the recipe behind the golden outputs.

A generator is seeded with the CRC-32 of the name (inputs: of "input:" + name). Running variances
are uniform in [0.8, 1.2], running means 0.05 times normal; vectors whose name ends in bias 0.05 times normal,
other vectors uniform in [0.3, 0.7]; everything else normal with variance 1 / fan-in; counters zero.
"""

from __future__ import annotations

import math
from zlib import crc32

import numpy as np
import torch
from torch import nn


def _generator(text: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(crc32(text.encode())))


def weights(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array for the tensor called `name`: float32, or int64 zeros for a counter."""
    generator, kind = _generator(name), name.rpartition(".")[2]
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if kind == "running_var":
        drawn = generator.uniform(0.8, 1.2, shape)
    elif kind == "running_mean" or (kind.endswith("bias") and len(shape) < 2):
        drawn = 0.05 * generator.standard_normal(shape)
    elif len(shape) < 2:
        drawn = generator.uniform(0.3, 0.7, shape)
    else:
        drawn = generator.standard_normal(shape) * np.sqrt(1 / math.prod(shape[1:]))
    return drawn.astype(np.float32)


def fill_(module: nn.Module) -> nn.Module:
    """Load these weights into every parameter and buffer."""
    state = module.state_dict()
    module.load_state_dict(
        {name: torch.from_numpy(weights(name, tuple(t.shape))) for name, t in state.items()}
    )
    return module


def array(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """A standard-normal float32 input."""
    return _generator("input:" + name).standard_normal(shape).astype(np.float32)
