"""How far confidence and accuracy agree. All shares are fractions in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.classify.scores.scores import ClipScores

__all__ = ["Calibration", "ReliabilityRow", "calibrate"]

_BINS = 15


@dataclass(frozen=True)
class ReliabilityRow:
    """The clips whose best class got a probability in (low, high].

    Attributes:
        low: of the bin.
        high: of the bin.
        clips: in it.
        confidence: mean probability of their best class; None without clips.
        accuracy: share of them that is correct; None without clips.
    """

    low: float
    high: float
    clips: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class Calibration:
    """Whether a classifier is as sure as it is correct.

    Attributes:
        ece: expected calibration error: mean over clips of |accuracy - confidence| of their bin.
        confidence: mean probability of the best class.
        log_loss: mean of -log of the true class's probability.
        rows: reliability table, bins of equal width.
    """

    ece: float
    confidence: float
    log_loss: float
    rows: tuple[ReliabilityRow, ...]


def calibrate(scores: ClipScores, *, bins: int = _BINS) -> Calibration:
    """Compare confidence with accuracy.

    Args:
        scores: labelled.
        bins: of equal width between 0 and 1.

    Raises:
        HeatpoolError: if there is no clip or one without a label.

    Source: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, section 2.
    """
    labels = scores.require_labels("cannot calibrate")
    logs = scores.log_probabilities()
    confidence, correct = np.exp(logs.max(1)), logs.argmax(1) == labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    clips = np.bincount(place, minlength=bins)
    sure, hits = (np.bincount(place, weights=each, minlength=bins) for each in (confidence, correct))
    rows = tuple(
        ReliabilityRow(
            low=float(edges[number]),
            high=float(edges[number + 1]),
            clips=int(count),
            confidence=float(sure[number] / count) if count else None,
            accuracy=float(hits[number] / count) if count else None,
        )
        for number, count in enumerate(clips)
    )
    return Calibration(
        ece=float(np.abs(sure - hits).sum() / len(labels)),
        confidence=float(confidence.mean()),
        log_loss=float(-logs[np.arange(len(labels)), labels].mean()),
        rows=rows,
    )
