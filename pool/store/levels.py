"""Features in equal steps: how coarse they may be for a given error, and the numbers that are stored.

A level is a whole number, a feature is level * step. The error is relative: the root of the sum of squared
differences over that of squared features. It is computed exactly, from how often each float16 occurs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

__all__ = [
    "ROUNDED", "Levels", "choose_levels", "choose_power_of_two", "count_float16", "find_rounding",
    "parse_error", "round_float16",
]  # fmt: skip

ROUNDED = "rounded"
"""Under which a store's configuration says to what its float16 values were rounded."""

_FINER = 1.02
_ERROR = re.compile(r"(error|float16):(\d+(?:\.\d+)?)%")


@dataclass(frozen=True)
class Levels:
    """How an array lies on disk as whole numbers.

    Attributes:
        dtype: of the levels: uint8, int8, uint16, int16 or int32.
        step: value of one level, in the unit of the array.
        error: of the whole array, 0.02 for 2 %.

    Raises:
        ValueError: if a value is out of its range.
    """

    dtype: str
    step: float
    error: float

    def __post_init__(self) -> None:
        if self.dtype not in ("uint8", "int8", "uint16", "int16", "int32"):
            raise ValueError(f"expected levels of 8, 16 or 32 bits, got {self.dtype!r}")
        if not (np.isfinite(self.step) and self.step > 0 and 0 <= self.error <= 1):
            raise ValueError(f"expected a positive step and an error from 0 to 1, got {self}")

    def to_levels(self, values: np.ndarray) -> np.ndarray:
        """Nearest levels (dtype as named) of float16 or float32 values; what lies beyond the last is cut."""
        limits = np.iinfo(self.dtype)
        levels = np.rint(values.astype(np.float32) / np.float32(self.step))
        return np.asarray(levels.clip(limits.min, limits.max).astype(self.dtype))

    def to_values(self, levels: np.ndarray) -> np.ndarray:
        """Float16 values of levels."""
        if levels.itemsize > 1:
            return self._scale(levels)
        every = np.arange(256, dtype=np.uint8)
        # Looked up in the values of all 256 bytes: ten times as fast as scaling and rounding each.
        return np.asarray(np.take(self._scale(every.view(self.dtype)), levels.view(np.uint8)))

    def _scale(self, levels: np.ndarray) -> np.ndarray:
        return np.asarray(np.multiply(levels, np.float32(self.step), dtype=np.float32).astype(np.float16))


def parse_error(text: str) -> tuple[str, float] | None:
    """Kind and error of `error:2%` or `float16:2%`: ("error", 0.02); None of anything else."""
    found = _ERROR.fullmatch(text)
    if not found or not 0 < float(found[2]) < 100:
        return None
    return found[1], float(found[2]) / 100


def find_rounding(config: Mapping[str, object]) -> tuple[float, float] | None:
    """Step and error of `pooled` in a store whose float16 was rounded; None where it was not."""
    arrays = config.get(ROUNDED)
    pooled = arrays.get("pooled") if isinstance(arrays, Mapping) else None
    if not isinstance(pooled, Mapping):
        return None
    step, error = pooled.get("step"), pooled.get("error")
    return (step, error) if isinstance(step, float) and isinstance(error, float) else None


def count_float16(values: np.ndarray) -> np.ndarray:
    """How often each float16 occurs: (65536,) int64 by bit pattern."""
    return np.bincount(np.ascontiguousarray(values, np.float16).view(np.uint16).ravel(), minlength=1 << 16)


def choose_levels(counts: np.ndarray, error: float) -> Levels | None:
    """The coarsest steps that keep to an error, in 8 bits where these reach far enough, else in 16.

    Cutting the few largest values off may be part of the error: it is counted.

    Args:
        counts: (65536,) of `count_float16`, of finite values.
        error: relative, 0.02 for 2 %.

    Returns:
        None if no step of 16 bits keeps to it.
    """
    values, weights = _occurring(counts)
    if not len(values):
        return Levels("uint8", 1.0, 0.0)
    sign = "int" if values.min() < 0 else "uint"
    for bits in (8, 16):
        limits = np.iinfo(f"{sign}{bits}")
        # Steps so fine that the levels end at a quarter of the largest value only cut off more.
        for step in _descending(2 * np.abs(values).max(), np.abs(values).max() / (4 * limits.max)):
            levels = np.rint(values / step).clip(limits.min, limits.max)
            if (found := _error(levels * step, values, weights)) <= error:
                return Levels(f"{sign}{bits}", float(np.float32(step)), found)
    return None


def choose_power_of_two(counts: np.ndarray, error: float) -> tuple[float, float]:
    """The greatest power of two in whose multiples float16 keeps to an error, and that error.

    Args:
        counts: (65536,) of `count_float16`, of finite values.
        error: relative, 0.02 for 2 %.
    """
    values, weights = _occurring(counts)
    exponent = int(np.ceil(np.log2(np.abs(values).max()))) + 1 if len(values) else 0
    while True:
        step = 2.0**exponent
        rounded = round_float16(values.astype(np.float16), step).astype(np.float64)
        if (found := _error(rounded, values, weights)) <= error or exponent < -24:
            return step, found
        exponent -= 1


def round_float16(values: np.ndarray, step: float) -> np.ndarray:
    """Float16 values rounded to multiples of a power of two; large ones keep float16's own, coarser steps."""
    rounded = np.rint(values.astype(np.float32) / np.float32(step)) * np.float32(step)
    return np.asarray(rounded.clip(-65_504.0, 65_504.0).astype(np.float16))


def _occurring(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Float16 values that occur, without 0, as float64, and how often."""
    found = np.flatnonzero(counts)
    values = found.astype(np.uint16).view(np.float16).astype(np.float64)
    return values[values != 0], counts[found][values != 0].astype(np.float64)


def _error(rounded: np.ndarray, values: np.ndarray, weights: np.ndarray) -> float:
    if not len(values):
        return 0.0
    return float(np.sqrt((weights * (rounded - values) ** 2).sum() / (weights * values**2).sum()))


def _descending(first: float, last: float) -> np.ndarray:
    """Steps from `first` down to `last`, each 2 % finer."""
    return first / _FINER ** np.arange(np.ceil(np.log(first / last) / np.log(_FINER)) + 1)
