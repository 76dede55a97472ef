"""Procedural textures: noise banks and patterns over surface coordinates in metres."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

_SIZE = 256


@lru_cache(maxsize=1)
def noise_bank() -> np.ndarray:
    """(3, 256, 256) float32 tileable-enough noise in about -1..1: cloudy, medium, fine."""
    rng = np.random.default_rng(7)
    bank = []
    for cells in (8, 32, 128):
        total = np.zeros((_SIZE, _SIZE), np.float32)
        for octave, weight in ((cells, 1.0), (min(cells * 2, _SIZE), 0.5), (min(cells * 4, _SIZE), 0.3)):
            small = rng.standard_normal((octave, octave)).astype(np.float32)
            # Wrapping before the enlargement hides the seam.
            small = np.pad(small, 2, mode="wrap")
            pad = 2 * _SIZE // octave
            large = cv2.resize(small, (_SIZE + 2 * pad, _SIZE + 2 * pad), interpolation=cv2.INTER_CUBIC)
            total += weight * large[pad : pad + _SIZE, pad : pad + _SIZE]
        bank.append(total / (2.0 * total.std()))
    return np.stack(bank)


def noise(u: np.ndarray, v: np.ndarray, *, scale: float, kind: int, offset: tuple[int, int]) -> np.ndarray:
    """Noise at surface coordinates ``u``, ``v`` (H, W) float32 in metres; ``scale`` is samples a metre."""
    columns = (u * np.float32(scale)).astype(np.int32)
    columns += offset[0]
    columns &= _SIZE - 1
    rows = (v * np.float32(scale)).astype(np.int32)
    rows += offset[1]
    rows &= _SIZE - 1
    rows *= _SIZE
    rows += columns
    return np.asarray(noise_bank()[kind].ravel().take(rows))


def _darker(where: np.ndarray, factor: float) -> np.ndarray:
    """1 outside, ``factor`` where the mask is set; float32."""
    return np.float32(1.0) - where.astype(np.float32) * np.float32(1.0 - factor)


def pattern(name: str, u: np.ndarray, v: np.ndarray, *, cell_m: float) -> np.ndarray:
    """Brightness factor (same shape as ``u``, float32) of a regular pattern with cells of ``cell_m``."""
    if name == "plain":
        return np.ones_like(u)
    a = u * np.float32(1 / cell_m)
    cell_a = np.floor(a)
    part_a = a - cell_a
    if name == "stripes":
        return _darker(part_a < 0.5, 0.84)
    if name == "planks":
        return np.asarray(_darker(part_a < 0.06, 0.65) * _darker((cell_a.astype(np.int32) & 3) == 1, 0.9))
    b = v * np.float32(1 / cell_m)
    cell_b = np.floor(b)
    odd = ((cell_a + cell_b).astype(np.int32) & 1) == 1
    if name == "checker":
        return _darker(odd, 0.72)
    part_b = b - cell_b
    if name == "tiles":
        return np.asarray(_darker((part_a < 0.05) | (part_b < 0.05), 0.68) * _darker(odd, 0.95))
    if name == "bricks":
        shifted = part_a + np.float32(0.5) * (part_b < 0.5)
        joint = ((shifted % np.float32(1.0)) < 0.05) | ((part_b % np.float32(0.5)) < 0.07)
        return np.float32(0.85) * _darker(joint, 1.3)
    raise ValueError(f"expected plain, stripes, planks, checker, tiles or bricks, got {name!r}")
