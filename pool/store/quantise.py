"""Pooled features in one byte per value: precision `u1`.

Per clip, person and channel the values span 256 equal levels from their least (the offset) to their
greatest; stored are differences of levels along time, modulo 256, which compress well. Axis letters:
T steps, V joints, C channels. The formulas are specified in docs/format.md.
"""

from __future__ import annotations

import numpy as np

__all__ = ["FLOAT16_MAX", "LEVELS", "dequantise", "quantise"]

FLOAT16_MAX = 65_504.0
LEVELS = 256


def quantise(pooled: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantise pooled features.

    The error is at most half a level: (greatest - least) / 510 of each channel, and the rounding of
    the scale to float16, which is always upwards so that no value lies outside the levels.

    Args:
        pooled: (..., T, V, C) float16, finite.

    Returns:
        Differences (..., T, V, C) uint8, scale (..., C) float16, offset (..., C) float16.
    """
    values = pooled.astype(np.float32)
    least, most = values.min((-3, -2)), values.max((-3, -2))
    step = (most - least) / np.float32(LEVELS - 1)
    scale = step.astype(np.float16)
    short = scale.astype(np.float32) < step
    scale[short] = np.nextafter(scale[short], np.float16(np.inf))
    divisor = np.where(scale > 0, scale, 1).astype(np.float32)
    values -= least[..., None, None, :]
    values /= divisor[..., None, None, :]
    levels = np.rint(values).clip(0, LEVELS - 1).astype(np.uint8)
    differences = levels.copy()
    differences[..., 1:, :, :] -= levels[..., :-1, :, :]  # wraps: modulo 256
    return differences, scale, least.astype(np.float16)


def dequantise(differences: np.ndarray, scale: np.ndarray, offset: np.ndarray) -> np.ndarray:
    """Features that `quantise` output stands for.

    Args:
        differences: (..., T, V, C) uint8.
        scale: (..., C) float16.
        offset: (..., C) float16.

    Returns:
        (..., T, V, C) float16.
    """
    pooled = np.empty(differences.shape, np.float16)
    values = np.empty(differences.shape[-3:], np.float32)
    # A person at a time stays in the processor's cache, and adding step to step beats np.add.accumulate.
    for person in np.ndindex(differences.shape[:-3]):
        levels = differences[person].copy()
        for step in range(1, len(levels)):
            levels[step] += levels[step - 1]  # wraps: modulo 256
        np.multiply(levels, scale[person].astype(np.float32), out=values)
        values += offset[person].astype(np.float32)
        # A scale rounded upwards may carry the last level past the largest float16.
        pooled[person] = values.clip(-FLOAT16_MAX, FLOAT16_MAX, out=values)
    return pooled
