"""Linear resampling of a clip to T steps, as a plan that also says which frames it reads.

The plan is the single place that knows the rule, so choosing frames and combining features cannot
disagree: running stage one on `plan.frames` alone is exact, not an approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["ResamplePlan", "place_missing"]


@dataclass(frozen=True, eq=False)
class ResamplePlan:
    """Which of n source frames each of T steps reads, and how it mixes them.

    Step t sits at source position `(t + 0.5) * n / T - 0.5`, clamped to [0, n - 1], and mixes its two
    neighbours linearly: the rule of `torch.nn.functional.interpolate(mode="linear",
    align_corners=False)`, which the published extractor applies to its features.

    Attributes:
        source_frames: n.
        lower: (T,) int64, frame read with weight `1 - weight`.
        upper: (T,) int64, frame read with weight `weight`.
        weight: (T,) float64 in [0, 1).
    """

    source_frames: int
    lower: np.ndarray
    upper: np.ndarray
    weight: np.ndarray

    @classmethod
    def linear(cls, source_frames: int, steps: int) -> ResamplePlan:
        """Plan `steps` output steps over `source_frames` frames.

        Raises:
            ValueError: if either count is below 1.
        """
        if source_frames < 1 or steps < 1:
            raise ValueError(f"expected source_frames and steps >= 1, got {source_frames} and {steps}")
        position = (np.arange(steps) + 0.5) * (source_frames / steps) - 0.5
        position = position.clip(0, source_frames - 1)
        lower = np.floor(position).astype(np.int64)
        weight = position - lower
        # A step that lands on a frame reads that frame only: its neighbour would be work for nothing.
        upper = np.where(weight > 0, np.minimum(lower + 1, source_frames - 1), lower)
        return cls(source_frames, lower, upper, weight)

    @property
    def steps(self) -> int:
        """T, the number of output steps."""
        return len(self.lower)

    @property
    def frames(self) -> np.ndarray:
        """Sorted int64 indices of the frames that some step reads, at most 2 T of them."""
        return np.unique(np.concatenate([self.lower, self.upper]))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Mix per-frame values into steps.

        Args:
            values: (len(frames), ...) float array, one row for each entry of `frames`, in order.

        Returns:
            (T, ...) array of the same dtype.

        Raises:
            ValueError: if the first axis is not len(frames).
        """
        frames = self.frames
        if len(values) != len(frames):
            raise ValueError(f"expected {len(frames)} rows, one per frame read, got {len(values)}")
        lower = values[np.searchsorted(frames, self.lower)]
        upper = values[np.searchsorted(frames, self.upper)]
        weight = self.weight.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
        return np.asarray(lower + (upper - lower) * weight)

    def apply_seen(self, values: np.ndarray, seen: np.ndarray) -> np.ndarray:
        """Mix only frames in which the person was seen; a step next to a gap takes its seen neighbour.

        Args:
            values: (len(frames), ...) float array, as in `apply`.
            seen: (len(frames),) bool.

        Returns:
            (T, ...) array of the same dtype, zero where `seen_steps` is False.

        Raises:
            ValueError: if the first axes are not len(frames).
        """
        weights, lower, upper = self._seen_weights(seen)
        if len(values) != len(seen):
            raise ValueError(f"expected {len(seen)} rows, one per frame read, got {len(values)}")
        total = weights.sum(0)
        shares = (weights / np.where(total > 0, total, 1)).astype(values.dtype)
        shares = shares.reshape(2, -1, *[1] * (values.ndim - 1))
        return np.asarray(shares[0] * values[lower] + shares[1] * values[upper])

    def seen_steps(self, seen: np.ndarray) -> np.ndarray:
        """Return the (T,) bool mask of steps that read at least one frame with the person in it."""
        return np.asarray(self._seen_weights(seen)[0].sum(0) > 0)

    def _seen_weights(self, seen: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        frames = self.frames
        if seen.shape != frames.shape:
            raise ValueError(f"expected {len(frames)} flags, one per frame read, got {seen.shape}")
        lower, upper = np.searchsorted(frames, self.lower), np.searchsorted(frames, self.upper)
        return np.stack([(1 - self.weight) * seen[lower], self.weight * seen[upper]]), lower, upper


def place_missing(joints: np.ndarray, given: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Put joints that are not given where they would be between the frames before and after.

    Args:
        joints: (R, V, D) float of a person in R frames; anything where a joint is not given.
        given: (R, V) bool.
        times: (R,) of the frames, rising.

    Returns:
        (R, V, D) float; a joint that is in no frame lies in the middle of the others.
    """
    filled = np.where(given[..., None], joints, 0)
    never = ~given.any(0)
    for joint in np.flatnonzero(~given.all(0) & ~never):
        known = given[:, joint]
        for axis in range(joints.shape[2]):
            filled[~known, joint, axis] = np.interp(times[~known], times[known], joints[known, joint, axis])
    if never.any() and not never.all():
        filled[:, never] = filled[:, ~never].mean(1, keepdims=True)
    return filled
