"""Whether one classifier is better than another, from their scores of the same clips."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from heatpool.classify.scores.scores import ClipScores, align_scores
from heatpool.pool.errors import HeatpoolError

__all__ = ["Comparison", "Difference", "PairedCounts", "compare_scores"]

_CHUNK = 250
_LEVEL = 0.95


@dataclass(frozen=True)
class Difference:
    """A figure of two classifiers, and the second's minus the first's.

    Attributes:
        first: the first's figure, fraction.
        second: the second's.
        interval: 95 % interval of `second - first`.
    """

    first: float
    second: float
    interval: tuple[float, float]

    @property
    def value(self) -> float:
        """Second minus first."""
        return self.second - self.first


@dataclass(frozen=True)
class PairedCounts:
    """On how many clips which of two classifiers is correct.

    Attributes:
        both_correct: clips.
        only_first_correct: clips.
        only_second_correct: clips.
        both_wrong: clips.
    """

    both_correct: int
    only_first_correct: int
    only_second_correct: int
    both_wrong: int

    @property
    def mcnemar_p(self) -> float:
        """Two-sided p of McNemar's exact test that both are equally often correct (McNemar 1947)."""
        odd = self.only_first_correct + self.only_second_correct
        few = min(self.only_first_correct, self.only_second_correct)
        # twice the chance of so few heads of `odd` fair coins; by logarithms, for binomials become huge
        whole = math.lgamma(odd + 1) - odd * math.log(2)
        heads = (math.exp(whole - math.lgamma(k + 1) - math.lgamma(odd - k + 1)) for k in range(few + 1))
        return min(1.0, 2 * math.fsum(heads))


@dataclass(frozen=True)
class Comparison:
    """Two classifiers on the same clips.

    Attributes:
        clips: N.
        groups: how many were drawn from: subjects, say, or the clips themselves.
        differences: by name of the figure: acc/top1 and acc/mean_class.
        paired: clip by clip; None where one of them has several seeds.
    """

    clips: int
    groups: int
    differences: Mapping[str, Difference]
    paired: PairedCounts | None


def compare_scores(
    first: Sequence[ClipScores],
    second: Sequence[ClipScores],
    *,
    groups: Mapping[str, str] | None = None,
    draws: int = 10_000,
    seed: int = 0,
    names: tuple[str, str] = ("first", "second"),
) -> Comparison:
    """Compare two classifiers, clips matched by id.

    The interval is that of a paired bootstrap: clips (or whole groups of them) are drawn with
    replacement, the same for both classifiers, and percentiles of the difference are taken. Of several
    seeds each clip counts with the share of seeds that are correct.

    Args:
        first: labelled scores, one set a seed.
        second: the same of the other classifier.
        groups: group by clip id (subject, ...), drawn as a whole; None draws clips.
        draws: of the bootstrap.
        seed: of the draws.
        names: of the two, for refusals.

    Returns:
        Figures, their differences with intervals, and paired counts for one seed each.

    Raises:
        HeatpoolError: if clips, labels or classes differ, a label is missing or a group is not known.

    Source: Efron and Tibshirani 1993, chapter 13 (percentiles).
    """
    one, other = names if names[0] != names[1] else (f"{names[0]} (first)", f"{names[1]} (second)")
    named = _by_seed(one, first) | _by_seed(other, second)
    sets = list(align_scores(named).values())
    labels = sets[0].require_labels("cannot compare")
    correct = np.stack([each.scores.argmax(1) == labels for each in sets])  # (seeds of both, N)
    shares = correct[: len(first)].mean(0), correct[len(first) :].mean(0)
    place, count = _group_places(sets[0].clip_ids, groups)
    intervals = _intervals(shares, labels, place, count=count, draws=draws, seed=seed)
    figures = zip(*(_figures(share, labels) for share in shares), intervals, strict=True)
    differences = {
        name: Difference(before, after, interval)
        for name, (before, after, interval) in zip(("acc/top1", "acc/mean_class"), figures, strict=True)
    }
    return Comparison(len(labels), count, differences, _count(*correct) if len(correct) == 2 else None)


def _by_seed(name: str, sets: Sequence[ClipScores]) -> dict[str, ClipScores]:
    if len(sets) == 1:
        return {name: sets[0]}
    return {f"{name}, seed {n}": each for n, each in enumerate(sets)}


def _count(first: np.ndarray, second: np.ndarray) -> PairedCounts:
    """Compare what is correct (N,) bool clip by clip."""
    return PairedCounts(
        both_correct=int((first & second).sum()),
        only_first_correct=int((first & ~second).sum()),
        only_second_correct=int((second & ~first).sum()),
        both_wrong=int((~first & ~second).sum()),
    )


def _figures(share: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    """Top-1 and mean class accuracy of clips that count as correct by `share` (N,)."""
    clips = np.bincount(labels)
    hits = np.bincount(labels, weights=share)
    return float(share.mean()), float((hits[clips > 0] / clips[clips > 0]).mean())


def _group_places(clip_ids: Sequence[str], groups: Mapping[str, str] | None) -> tuple[np.ndarray, int]:
    """The group number of each clip, and how many groups there are."""
    if groups is None:
        return np.arange(len(clip_ids)), len(clip_ids)
    unknown = [clip_id for clip_id in clip_ids if not groups.get(clip_id)]
    if unknown:
        raise HeatpoolError(
            f"expected a group for every clip, {len(unknown)} of {len(clip_ids)} have none, "
            f"for example {unknown[0]!r}"
        )
    names, place = np.unique([groups[clip_id] for clip_id in clip_ids], return_inverse=True)
    if len(names) < 2:
        raise HeatpoolError(f"expected two or more groups to draw from, all clips are of {names[0]!r}")
    return place, len(names)


def _intervals(
    shares: tuple[np.ndarray, np.ndarray],
    labels: np.ndarray,
    place: np.ndarray,
    *,
    count: int,
    draws: int,
    seed: int,
) -> list[tuple[float, float]]:
    """Intervals of the differences of top-1 and of mean class accuracy."""
    # clips and gains by class and group, those that occur only: of many clips most pairs do not
    pairs, where = np.unique(labels * count + place, return_inverse=True)
    clips, gain = np.bincount(where), np.bincount(where, weights=shares[1] - shares[0])
    group = pairs % count
    begins = np.flatnonzero(np.diff(pairs // count, prepend=-1))  # of each class
    rng = np.random.default_rng(seed)
    top1, mean_class = [], []
    for begin in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - begin)
        drawn = rng.integers(count, size=(size, count)) + count * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count)[:, group]
        gains, totals = (np.add.reduceat(times * each, begins, axis=1) for each in (gain, clips))
        top1.append(gains.sum(1) / totals.sum(1))  # (size, K) each
        occurs = totals > 0
        by_class = np.divide(gains, totals, out=np.zeros_like(gains), where=occurs)
        mean_class.append(by_class.sum(1) / occurs.sum(1))
    tails = (1 - _LEVEL) / 2, (1 + _LEVEL) / 2
    return [
        (float(low), float(high))
        for low, high in (np.quantile(np.concatenate(each), tails) for each in (top1, mean_class))
    ]
