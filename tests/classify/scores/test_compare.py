from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest, bootstrap

from heatpool.classify.scores.compare import PairedCounts, compare_scores
from heatpool.classify.scores.scores import ClipScores
from heatpool.pool.errors import HeatpoolError


def guesses(
    right: np.ndarray, labels: np.ndarray | None = None, order: np.ndarray | None = None
) -> ClipScores:
    """Scores of two classes that are right where `right`, clips in `order`."""
    labels = np.arange(len(right)) % 2 if labels is None else labels
    picked = np.where(right, labels, 1 - labels)
    order = np.arange(len(right)) if order is None else order
    return ClipScores(
        clip_ids=tuple(f"c{n:03d}" for n in order),
        scores=np.eye(2, dtype=np.float32)[picked[order]],
        labels=labels[order].astype(np.int64),
        class_names=("a", "b"),
    )


def test_counts_and_mcnemar_by_hand() -> None:
    """Of ten clips: two both correct, one only the first, six only the second, one neither."""
    first = np.array([1, 1, 1, 0, 0, 0, 0, 0, 0, 0], bool)
    second = np.array([1, 1, 0, 1, 1, 1, 1, 1, 1, 0], bool)
    order = np.random.default_rng(0).permutation(10)  # matched by id, whatever the order
    found = compare_scores([guesses(first)], [guesses(second, order=order)], draws=500)
    assert found.paired == PairedCounts(
        both_correct=2, only_first_correct=1, only_second_correct=6, both_wrong=1
    )
    assert found.paired.mcnemar_p == pytest.approx(2 * (1 + 7) / 2**7)  # P(at most 1 head of 7), twice
    top1 = found.differences["acc/top1"]
    assert (top1.first, top1.second, top1.value) == (0.3, 0.8, pytest.approx(0.5))
    assert top1.interval[0] < 0.5 < top1.interval[1]


@pytest.mark.parametrize(("first", "second"), [(0, 1), (5, 5), (3, 9), (40, 80), (2000, 2300)])
def test_mcnemars_p_is_the_binomial_tests(first: int, second: int) -> None:
    expected = binomtest(first, first + second).pvalue
    assert PairedCounts(7, first, second, 2).mcnemar_p == pytest.approx(expected, rel=1e-9)
    assert PairedCounts(7, second, first, 2).mcnemar_p == pytest.approx(expected, rel=1e-9)


def test_the_interval_of_mean_class_is_that_of_drawing_clip_by_clip() -> None:
    """The draws done the slow way, of groups and classes of unequal size."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 2, 60)
    first, second = rng.random(60) < 0.5, rng.random(60) < 0.7
    group = np.sort(rng.integers(0, 7, 60))
    named = {f"c{n:03d}": f"g{number}" for n, number in enumerate(group)}
    found = compare_scores(
        [guesses(first, labels)], [guesses(second, labels)], groups=named, draws=100, seed=2
    )
    drawn = np.random.default_rng(2).integers(7, size=(100, 7))
    gains = []
    for groups in drawn:
        clips = np.concatenate([np.flatnonzero(group == each) for each in groups])
        by_class = [clips[labels[clips] == k] for k in np.unique(labels[clips])]
        gains.append(np.mean([second[each].mean() - first[each].mean() for each in by_class]))
    expected = np.quantile(gains, (0.025, 0.975))
    assert found.differences["acc/mean_class"].interval == pytest.approx(tuple(expected))


def test_mean_class_weighs_classes_alike() -> None:
    labels = np.array([0] * 9 + [1])
    first, second = np.ones(10, bool), np.array([True] * 9 + [False])
    found = compare_scores([guesses(first, labels)], [guesses(second, labels)], draws=100)
    assert found.differences["acc/top1"].value == pytest.approx(-0.1)
    assert found.differences["acc/mean_class"].value == pytest.approx(-0.5)


def test_the_interval_is_the_paired_bootstraps() -> None:
    rng = np.random.default_rng(1)
    first = rng.random(200) < 0.6
    second = np.where(rng.random(200) < 0.2, rng.random(200) < 0.9, first)
    found = compare_scores([guesses(first)], [guesses(second)], draws=10_000)
    gain = (second.astype(float) - first,)
    expected = bootstrap(gain, np.mean, n_resamples=10_000, method="percentile", rng=0).confidence_interval
    assert found.differences["acc/top1"].interval == pytest.approx(tuple(expected), abs=0.006)


def test_drawing_subjects_is_wider_when_their_clips_are_alike() -> None:
    """Two of eight subjects gain on all their clips: the clips are not independent."""
    subjects = {f"c{n:03d}": f"s{n // 25}" for n in range(200)}
    first = np.zeros(200, bool)
    second = np.arange(200) < 50
    by_clip = compare_scores([guesses(first)], [guesses(second)], draws=2000).differences["acc/top1"]
    grouped = compare_scores([guesses(first)], [guesses(second)], groups=subjects, draws=2000)
    by_subject = grouped.differences["acc/top1"]
    assert grouped.groups == 8
    assert by_subject.value == by_clip.value == 0.25
    width = by_subject.interval[1] - by_subject.interval[0]
    assert width > 3 * (by_clip.interval[1] - by_clip.interval[0])


def test_seeds_count_by_their_share_and_draws_repeat() -> None:
    one, other = np.array([1, 1, 0, 0], bool), np.array([1, 0, 0, 0], bool)
    found = compare_scores([guesses(one), guesses(other)], [guesses(one)], draws=200, seed=3)
    assert found.differences["acc/top1"].first == pytest.approx(3 / 8)
    assert found.paired is None
    assert found == compare_scores([guesses(one), guesses(other)], [guesses(one)], draws=200, seed=3)


def test_equal_runs_differ_by_nothing() -> None:
    same = guesses(np.array([1, 0, 1], bool))
    found = compare_scores([same], [same], draws=100)
    assert found.paired is not None
    assert found.paired.mcnemar_p == 1.0
    assert found.differences["acc/top1"].interval == (0.0, 0.0)


def test_what_cannot_be_compared_is_refused() -> None:
    four = guesses(np.ones(4, bool))
    with pytest.raises(HeatpoolError, match="score different clips"):
        compare_scores([four], [guesses(np.ones(5, bool))])
    with pytest.raises(HeatpoolError, match="1 of 4 have none, for example 'c003'"):
        compare_scores([four], [four], groups={f"c{n:03d}": "s" for n in range(3)})
    with pytest.raises(HeatpoolError, match="two or more groups"):
        compare_scores([four], [four], groups={f"c{n:03d}": "s" for n in range(4)})
