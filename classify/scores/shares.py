"""Shares of correct clips with their intervals, and what classes are taken for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from heatpool.classify.scores.scores import ClipScores

__all__ = ["Share", "confused_pairs", "correct_share"]

_Z95 = 1.959963984540054  # quantile of the normal distribution for 95 %


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson's score method.

    Attributes:
        correct: k.
        total: n, at least 1.

    Raises:
        ValueError: unless 0 <= correct <= total and total >= 1.
    """

    correct: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= self.total or self.total < 1:
            got = f"{self.correct} of {self.total}"
            raise ValueError(f"expected 0 <= correct <= total and total >= 1, got {got}")

    @property
    def share(self) -> float:
        """Fraction k / n."""
        return self.correct / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share, if clips were independent. Source: Wilson 1927."""
        # in closed form, as scipy.stats has it: to import that takes longer than a short training
        z2, n, p = _Z95**2, self.total, self.share
        centre = (p + z2 / (2 * n)) / (1 + z2 / n)
        reach = _Z95 / (1 + z2 / n) * (p * (1 - p) / n + z2 / (4 * n * n)) ** 0.5
        return (
            0.0 if self.correct == 0 else centre - reach,
            1.0 if self.correct == self.total else centre + reach,
        )


def correct_share(scores: ClipScores) -> Share:
    """Clips whose best class is their label."""
    return Share(int((scores.scores.argmax(1) == scores.labels).sum()), len(scores))


def confused_pairs(confusion: np.ndarray, *, limit: int = 10) -> list[tuple[int, int, int]]:
    """(true class, predicted class, clips) of the most frequent mistakes, most first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(true), int(guess), int(wrong[true, guess])) for true, guess in pairs if wrong[true, guess]]
