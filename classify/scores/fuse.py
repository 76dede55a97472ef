"""Late fusion: a weighted sum of the streams' log probabilities (or raw scores), weights fitted on val."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax

from heatpool.classify.scores.scores import ClipScores, align_scores
from heatpool.pool.errors import HeatpoolError

__all__ = ["Addend", "FusionWeights", "fit_fusion", "fuse_scores"]

Addend = Literal["log-probabilities", "scores"]

_RIDGE = 1e-2
"""Pull towards plain addition; makes the fit strictly convex and finite when val is separable."""


@dataclass(frozen=True)
class FusionWeights:
    """How much each stream counts.

    Attributes:
        weights: non-negative weight by stream name, at least one positive.
        val_loss: mean log loss of the fused scores on the part they were fitted on.
        val_top1: their top-1 accuracy there, fraction.

    Raises:
        ValueError: if a weight is negative or not finite or all are zero.
    """

    weights: Mapping[str, float]
    val_loss: float
    val_top1: float

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
        HeatpoolError: if clips, classes or stream names do not match.
    """
    if set(sets) != set(weights):
        raise HeatpoolError(f"fusion weights are for {sorted(weights)}, scores for {sorted(sets)}")
    aligned = align_scores(dict(sets))
    total = sum(
        weights[name] * (scores.scores.astype(np.float64) if add == "scores" else scores.log_probabilities())
        for name, scores in aligned.items()
    )
    lead = next(iter(aligned.values()))
    return ClipScores(
        clip_ids=lead.clip_ids,
        scores=np.asarray(total, np.float32),
        labels=lead.labels,
        class_names=lead.class_names,
        kind="logits",
    )


def fit_fusion(sets: Mapping[str, ClipScores]) -> FusionWeights:
    """Find the weights with the least log loss; the problem is convex, so they are the best there are.

    Args:
        sets: scores of the val part by stream name. Never of test.

    Returns:
        Weights by stream name.

    Raises:
        HeatpoolError: if clips or classes do not match or a clip has no label.
    """
    aligned = align_scores(dict(sets))
    labels = next(iter(aligned.values())).labels
    if len(labels) == 0 or (labels < 0).any():
        raise HeatpoolError(
            f"fusion needs labelled clips: {int((labels < 0).sum())} of {len(labels)} have none"
        )
    logs = np.stack([scores.log_probabilities() for scores in aligned.values()])  # (S, N, K)
    start = np.full(len(logs), 1 / len(logs))
    rows = np.arange(len(labels))

    def objective(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logp = log_softmax(np.tensordot(weights, logs, 1), axis=1)
        expected = (logs * np.exp(logp)).sum(2)  # (S, N), the model's mean of each stream's log probability
        gradient = (expected - logs[:, rows, labels]).mean(1)
        away = weights - start
        return -logp[rows, labels].mean() + _RIDGE * (away @ away), gradient + 2 * _RIDGE * away

    solved = minimize(objective, start, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(logs))
    weights = solved.x if solved.x.max() > 0 else start
    logp = log_softmax(np.tensordot(weights, logs, 1), axis=1)
    return FusionWeights(
        weights={name: float(weight) for name, weight in zip(aligned, weights, strict=True)},
        val_loss=float(-logp[rows, labels].mean()),
        val_top1=float((logp.argmax(1) == labels).mean()),
    )
