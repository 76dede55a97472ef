"""Late fusion: a weighted sum of the streams' log probabilities (or raw scores), weights fitted on val."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from heatpool.classify.scores.scores import ClipScores, align_scores, log_softmax
from heatpool.pool.errors import HeatpoolError

__all__ = ["LEAST_CLIPS", "Addend", "FusionWeights", "fit_fusion", "fuse_scores"]

Addend = Literal["log-probabilities", "scores"]

_RIDGE = 1e-2
"""Pull towards plain addition; makes the fit strictly convex and finite when val is separable."""
_ROUNDS, _TOLERANCE = 100, 1e-9

LEAST_CLIPS = 8
"""With fewer val clips the weights are equal: fitted ones follow chance, down to 0 for the better stream.
Simulated (5 or 12 classes), two equally good streams lost 1 to 3 points of top-1 by weights that 3 to 5 clips
fitted, with a spread of 2 to 4; from 8 clips on unequal streams gain more than equal ones lose."""


@dataclass(frozen=True)
class FusionWeights:
    """How much each stream counts.

    Attributes:
        weights: non-negative weight by stream name, at least one positive.
        val_loss: mean log loss of the fused scores on the split they were fitted on.
        val_top1: their top-1 accuracy there, fraction.
        note: why they are equal and not fitted, in a line; "" where they are fitted.

    Raises:
        ValueError: if a weight is negative or not finite or all are zero.
    """

    weights: Mapping[str, float]
    val_loss: float
    val_top1: float
    note: str = ""

    def __post_init__(self) -> None:
        values = np.array(list(self.weights.values()), np.float64)
        if len(values) == 0 or not np.isfinite(values).all() or values.min() < 0 or values.max() == 0:
            raise ValueError(f"expected weights >= 0, one of them positive, got {dict(self.weights)}")


def fuse_scores(
    sets: Mapping[str, ClipScores], weights: Mapping[str, float], *, add: Addend = "log-probabilities"
) -> ClipScores:
    """Add what the streams say with weights.

    Args:
        sets: scores by stream name, matched by clip id.
        weights: by stream name, for exactly these streams.
        add: log probabilities, or the scores as they are, as the published ensembles do.

    Returns:
        Fused logits in the clip order of the first set.

    Raises:
        HeatpoolError: if clips, classes or stream names do not match, or the weights are absurd.
    """
    if set(sets) != set(weights):
        raise HeatpoolError(f"fusion weights are for {sorted(weights)}, scores for {sorted(sets)}")
    aligned = align_scores(dict(sets))
    total = sum(
        weights[name] * (scores.scores.astype(np.float64) if add == "scores" else scores.log_probabilities())
        for name, scores in aligned.items()
    )
    with np.errstate(over="ignore"):
        fused = np.asarray(total, np.float32)
    if not np.isfinite(fused).all():
        raise HeatpoolError(f"expected fusion weights that give finite scores, got {dict(weights)}")
    lead = next(iter(aligned.values()))
    return ClipScores(
        clip_ids=lead.clip_ids,
        scores=fused,
        labels=lead.labels,
        class_names=lead.class_names,
        kind="logits",
    )


def fit_fusion(sets: Mapping[str, ClipScores]) -> FusionWeights:
    """Find the weights with the least log loss; the problem is convex, so they are the best there are.

    With fewer than `LEAST_CLIPS` clips they are equal.

    Args:
        sets: scores of the val split by stream name. Never of test.

    Returns:
        Weights by stream name.

    Raises:
        HeatpoolError: if clips or classes do not match or a clip has no label.
    """
    aligned = align_scores(dict(sets))
    labels = next(iter(aligned.values())).require_labels("cannot fit fusion weights")
    logs = np.stack([scores.log_probabilities() for scores in aligned.values()])  # (S, N, K)
    loss = _FusionLoss(logs, labels)
    few = len(labels) < LEAST_CLIPS and len(logs) > 1
    weights = loss.start if few else _minimise(loss, loss.start)
    if weights.max() == 0:
        weights = loss.start
    logp = log_softmax(np.tensordot(weights, logs, 1))
    return FusionWeights(
        weights={name: float(weight) for name, weight in zip(aligned, weights, strict=True)},
        val_loss=float(-logp[loss.rows, labels].mean()),
        val_top1=float((logp.argmax(1) == labels).mean()),
        note=f"fusion weights are equal: {len(labels)} val clips are too few to fit any on ({LEAST_CLIPS})"
        if few
        else "",
    )


class _FusionLoss:
    """Mean log loss of the fused scores, as a function of the weights (S,), and a ridge.

    Args:
        logs: (S, N, K) log probabilities of the streams.
        labels: (N,).
    """

    def __init__(self, logs: np.ndarray, labels: np.ndarray) -> None:
        self.logs, self.labels, self.rows = logs, labels, np.arange(len(labels))
        self.start = np.full(len(logs), 1 / len(logs))

    def __call__(self, weights: np.ndarray) -> float:
        logp = log_softmax(np.tensordot(weights, self.logs, 1))
        return float(-logp[self.rows, self.labels].mean() + _RIDGE * ((weights - self.start) ** 2).sum())

    def slopes(self, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (S,) and second derivatives (S, S)."""
        share = np.exp(log_softmax(np.tensordot(weights, self.logs, 1)))  # (N, K)
        expected = (self.logs * share).sum(2)  # (S, N), each stream's mean log probability under the fused
        gradient = (expected - self.logs[:, self.rows, self.labels]).mean(1)
        products = np.einsum("snk,tnk,nk->st", self.logs, self.logs, share, optimize=True)
        curvature = (products - expected @ expected.T) / len(self.rows)
        ridge = 2 * _RIDGE
        return gradient + ridge * (weights - self.start), curvature + ridge * np.eye(len(weights))


def _minimise(loss: _FusionLoss, start: np.ndarray) -> np.ndarray:
    """Return the weights >= 0 with the least loss, by projected Newton steps.

    Source: Bertsekas, SIAM J. Control and Optimization 20(2), 1982.
    """
    weights, value = start, loss(start)
    for _ in range(_ROUNDS):
        gradient, curvature = loss.slopes(weights)
        if np.abs(weights - np.maximum(weights - gradient, 0)).max() < _TOLERANCE:
            break
        free = (weights > 0) | (gradient < 0)  # the others would only be pushed further below zero
        step = np.zeros_like(weights)
        step[free] = np.linalg.solve(curvature[np.ix_(free, free)], gradient[free])
        for rate in 0.5 ** np.arange(30):
            moved = np.maximum(weights - rate * step, 0)
            lower = loss(moved)
            if lower <= value - 1e-4 * float(gradient @ (weights - moved)):
                break
        else:
            break  # no step lowers the loss any more: it is as exact as float64
        weights, value = moved, lower
    return weights
