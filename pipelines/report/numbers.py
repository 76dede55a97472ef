"""The report's figures from scores, labels and splits. Pure; all shares are fractions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.classify.scores.scores import ClipScores

__all__ = [
    "Agreement",
    "HeldOut",
    "count_agreement",
    "find_held_out",
    "published_bytes",
]

_NPY_HEADER_BYTES = 128


@dataclass(frozen=True)
class Agreement:
    """On how many clips which streams are correct.

    Attributes:
        all_correct: clips every stream has correct.
        none_correct: clips no stream has correct.
        only: by stream, clips that this stream alone has correct.
        rest: clips that several streams have correct, but not all.
    """

    all_correct: int
    none_correct: int
    only: Mapping[str, int]
    rest: int


def count_agreement(streams: Mapping[str, ClipScores]) -> Agreement:
    """Count on which clips the streams agree; their clips must be aligned."""
    correct = np.stack([scores.scores.argmax(1) == scores.labels for scores in streams.values()])  # (S, N)
    votes = correct.sum(0)
    everyone, nobody = votes == len(correct), votes == 0
    alone = (votes == 1) & ~everyone
    return Agreement(
        all_correct=int(everyone.sum()),
        none_correct=int(nobody.sum()),
        only={name: int((row & alone).sum()) for name, row in zip(streams, correct, strict=True)},
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
