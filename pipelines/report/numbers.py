"""The report's figures from scores, labels and splits. Pure; all shares are fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from heatpool.classify.scores.scores import ClipScores

__all__ = [
    "Agreement",
    "HeldOut",
    "Share",
    "confused_pairs",
    "count_agreement",
    "find_held_out",
    "published_bytes",
    "right_share",
]

_NPY_HEADER_BYTES = 128


@dataclass(frozen=True)
class Share:
    """So many of so many, with the 95 % interval of Wilson's score method.

    Attributes:
        right: k.
        total: n, at least 1.

    Raises:
        ValueError: unless 0 <= right <= total and total >= 1.
    """

    right: int
    total: int

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.total or self.total < 1:
            raise ValueError(f"expected 0 <= right <= total and total >= 1, got {self.right} of {self.total}")

    @property
    def share(self) -> float:
        """Fraction k / n."""
        return self.right / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share, if clips were independent. Source: Wilson 1927."""
        found = binomtest(self.right, self.total).proportion_ci(0.95, method="wilson")
        return float(found.low), float(found.high)


def right_share(scores: ClipScores) -> Share:
    """Clips whose best class is their label."""
    return Share(int((scores.scores.argmax(1) == scores.labels).sum()), len(scores))


def confused_pairs(confusion: np.ndarray, *, limit: int = 10) -> list[tuple[int, int, int]]:
    """(true class, predicted class, clips) of the most frequent mistakes, most first."""
    wrong = confusion - np.diag(confusion.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = zip(*np.unravel_index(order, wrong.shape), strict=True)
    return [(int(true), int(guess), int(wrong[true, guess])) for true, guess in pairs if wrong[true, guess]]


@dataclass(frozen=True)
class Agreement:
    """On how many clips which streams are right.

    Attributes:
        all_right: clips every stream has right.
        none_right: clips no stream has right.
        only: by stream, clips that this stream alone has right.
        rest: clips that several streams have right, but not all.
    """

    all_right: int
    none_right: int
    only: Mapping[str, int]
    rest: int


def count_agreement(streams: Mapping[str, ClipScores]) -> Agreement:
    """Count on which clips the streams agree; their clips must be aligned."""
    right = np.stack([scores.scores.argmax(1) == scores.labels for scores in streams.values()])  # (S, N)
    votes = right.sum(0)
    everyone, nobody = votes == len(right), votes == 0
    alone = (votes == 1) & ~everyone
    return Agreement(
        all_right=int(everyone.sum()),
        none_right=int(nobody.sum()),
        only={name: int((row & alone).sum()) for name, row in zip(streams, right, strict=True)},
        rest=int((~everyone & ~nobody & ~alone).sum()),
    )


@dataclass(frozen=True)
class HeldOut:
    """A manifest column of which no value in the test split occurs in the other splits.

    Attributes:
        column: name, such as subject.
        values: of the test split, sorted.
    """

    column: str
    values: tuple[str, ...]


def find_held_out(
    columns: Mapping[str, Sequence[str]], *, learned: np.ndarray, test: np.ndarray
) -> list[HeldOut]:
    """Find out from the manifest what the test split keeps apart from all that was learned from.

    Args:
        columns: by name, N values, "" where unknown.
        learned: (L,) rows of train and val.
        test: (n,) rows of the test clips.

    Returns:
        The columns known for every one of these clips whose test values occur in no other split.
    """
    found = []
    for name, values in columns.items():
        known = np.asarray(values, dtype=object)
        mine, others = known[test], set(known[learned])
        if "" in others or "" in set(mine) or not others or others & set(mine):
            continue
        found.append(HeldOut(name, tuple(sorted(set(mine)))))
    return found


def published_bytes(*, steps: int, joints: int, channels: int) -> int:
    """Bytes of a clip in the layout the authors publish: one .npy of (T, 2, V, C) float32."""
    return steps * 2 * joints * channels * 4 + _NPY_HEADER_BYTES
