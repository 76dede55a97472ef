from __future__ import annotations

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from heatpool.classify.data.folds import assign_folds, fold_splits
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split


def clips(count: int, people: int, classes: int, seed: int) -> tuple[np.ndarray, list[str]]:
    """Labelled clips of people who differ in how many clips they have, and of what."""
    rng = np.random.default_rng(seed)
    person = rng.choice(people, count, p=rng.dirichlet(np.full(people, 3.0)))
    liked = rng.dirichlet(np.ones(classes), people)
    labels = np.array([rng.choice(classes, p=liked[each]) for each in person])
    return labels, [f"p{each}" for each in person]


def test_single_clips_are_spread_over_folds_class_by_class() -> None:
    labels = np.array([0] * 10 + [1] * 5 + [2] * 6)
    fold = assign_folds(labels, [str(n) for n in range(21)], folds=5, seed=0)
    for label, count in enumerate((2, 1, 1)):
        sizes = np.bincount(fold[labels == label], minlength=5)
        assert sizes.min() == count
        assert sizes.max() - sizes.min() <= 1
    assert sorted(np.bincount(fold)) == [4, 4, 4, 4, 5]


def test_groups_never_cross_folds_and_every_clip_is_in_one() -> None:
    labels, groups = clips(300, people=13, classes=4, seed=1)
    fold = assign_folds(labels, groups, folds=5, seed=0)
    assert set(fold.tolist()) == set(range(5))
    for name in set(groups):
        assert len({int(fold[row]) for row, group in enumerate(groups) if group == name}) == 1


def test_the_seed_alone_decides() -> None:
    labels, groups = np.arange(40) % 4, [f"p{n // 4}" for n in range(40)]  # all groups alike
    one, again, other = (assign_folds(labels, groups, folds=5, seed=seed) for seed in (3, 3, 4))
    assert one.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_classes_are_balanced_as_well_as_by_scikit_learn(seed: int) -> None:
    labels, groups = clips(400, people=23, classes=6, seed=seed)
    fold = assign_folds(labels, groups, folds=5, seed=0)
    theirs = np.zeros(len(labels), int)
    for number, (_, test) in enumerate(StratifiedGroupKFold(5).split(labels, labels, groups)):
        theirs[test] = number

    def unevenness(folds: np.ndarray) -> float:
        counts = np.array([np.bincount(labels[folds == each], minlength=6) for each in range(5)])
        return float((counts / counts.sum(0)).std(0).mean())

    assert unevenness(fold) < 1.15 * unevenness(theirs) + 0.01


def test_each_clip_is_tested_once_and_no_split_shares_a_group() -> None:
    labels, groups = clips(200, people=12, classes=3, seed=2)
    videos = [f"{group} {row // 2}" for row, group in enumerate(groups)]
    splits = fold_splits(labels, groups, videos, folds=4, seed=0)
    assert (np.stack(splits) == Split.TEST).sum(0).tolist() == [1] * 200
    for split in splits:
        names = [{groups[row] for row in np.flatnonzero(split == each)} for each in (1, 2, 3)]
        assert all(names)
        assert not names[0] & names[1]
        assert not (names[0] | names[1]) & names[2]


def test_of_few_groups_val_takes_videos_but_test_shares_no_group() -> None:
    groups = ["a"] * 20 + ["b"] * 20 + ["c"] * 20
    videos, labels = [str(n // 2) for n in range(60)], np.arange(60) % 2
    for split in fold_splits(labels, groups, videos, folds=3, seed=0):
        tested = {groups[row] for row in np.flatnonzero(split == Split.TEST)}
        assert len(tested) == 1
        assert tested.isdisjoint(groups[row] for row in np.flatnonzero(split != Split.TEST))
        held = [{videos[row] for row in np.flatnonzero(split == each)} for each in (Split.TRAIN, Split.VAL)]
        assert not held[0] & held[1]
        assert (split == Split.VAL).sum() in (4, 6)  # an eighth of 40, in pairs


def test_val_of_few_clips_has_more_than_one_class() -> None:
    """Of one clip for val it would be left to chance which epoch is best."""
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    names = [str(n) for n in range(9)]
    for split in fold_splits(labels, names, names, folds=5, seed=0):
        assert set(labels[split == Split.VAL]) == {0, 1}
        assert (split == Split.VAL).sum() < (split == Split.TRAIN).sum()


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(HeatpoolError, match="expected at least 4 groups for 4 folds, got 2"):
        assign_folds(np.array([0, 1, 0]), ["a", "a", "b"], folds=4, seed=0)
