"""Folds of a cross-validation: groups stay whole, classes are spread as evenly as they allow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split

__all__ = ["assign_folds", "draw_val", "fold_splits"]

_FEW_GROUPS = 5  # below, a whole group for val would be too much of what is left to train on
_VAL_PARTS = 8
_FEWEST_PARTS = 3  # of few clips, else too few were left to train on


def assign_folds(labels: np.ndarray, groups: Sequence[str], *, folds: int, seed: int) -> np.ndarray:
    """Divide clips into folds; no two share a group.

    Greedy, as scikit-learn's `StratifiedGroupKFold`: groups in order of their size, each into the fold where
    its classes are rarest so far, of equal ones the one with the fewest clips.

    Args:
        labels: (n,) class numbers >= 0.
        groups: n names; clips of one name stay together.
        folds: how many, 2 or more.
        seed: order of groups of one size.

    Returns:
        (n,) int64, fold of each clip from 0; every fold has a clip.

    Raises:
        HeatpoolError: if there are fewer groups than folds.
    """
    names, group = np.unique(np.array(groups, dtype=object).astype(str), return_inverse=True)
    if len(names) < folds:
        raise HeatpoolError(f"expected at least {folds} groups for {folds} folds, got {len(names)}")
    _, label = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(names), label.max() + 1))
    np.add.at(counts, (group, label), 1)
    share = counts / counts.sum(0)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = shuffled[np.argsort(-counts.sum(1)[shuffled], kind="stable")]
    held, clips, fold_of = np.zeros((folds, counts.shape[1])), np.zeros(folds), np.zeros(len(names), np.int64)
    for each in order.tolist():
        overlap = (held * share[each]).sum(1).round(12)
        fold = int(np.lexsort((clips, overlap))[0])
        fold_of[each] = fold
        held[fold] += share[each]
        clips[fold] += counts[each].sum()
    return np.asarray(fold_of[group])


def fold_splits(
    labels: np.ndarray, groups: Sequence[str], videos: Sequence[str], *, folds: int, seed: int
) -> tuple[np.ndarray, ...]:
    """Make a split for each fold: the fold is test, about an eighth of the rest is val.

    Val is that of `draw_val`, so that train and val may share a group where few are left; test shares none
    with either.

    Args:
        labels: (n,) class numbers >= 0.
        groups: n names; test shares none with train and val.
        videos: n names; no two splits share one.
        folds: how many, 2 or more.
        seed: of the draw.

    Returns:
        For each fold (n,) uint8 of `Split`.

    Raises:
        HeatpoolError: if there are too few groups or videos.
    """
    fold_of, splits = assign_folds(labels, groups, folds=folds, seed=seed), []
    for fold in range(folds):
        rest = np.flatnonzero(fold_of != fold)
        names = [[values[row] for row in rest.tolist()] for values in (groups, videos)]
        split = np.full(len(labels), Split.TEST, np.uint8)
        split[rest] = np.where(draw_val(labels[rest], *names, seed=seed), Split.VAL, Split.TRAIN)
        splits.append(split)
    return tuple(splits)


def draw_val(labels: np.ndarray, groups: Sequence[str], videos: Sequence[str], *, seed: int) -> np.ndarray:
    """Choose about an eighth of some clips for val, classes as evenly as that goes.

    Of few clips it is more, up to a third, where an eighth would be of one class only.

    Args:
        labels: (n,) class numbers >= 0.
        groups: n names; taken whole where there are at least five.
        videos: n names; taken whole else.
        seed: of the draw.

    Returns:
        (n,) bool, some of them true and some false.

    Raises:
        HeatpoolError: if all clips are of one video.
    """
    whole = groups if len(set(groups)) >= _FEW_GROUPS else videos
    count = len(set(whole))
    parts = max(min(_VAL_PARTS, count), 2)
    part, classes = _divide(labels, whole, parts=parts, seed=seed)
    if classes.max() == 1 < len(np.unique(labels)) and count // 2 >= _FEWEST_PARTS:
        part, classes = _divide(labels, whole, parts=count // 2, seed=seed)
    # Of those with most classes the last: its groups are the smallest.
    return np.asarray(part == np.flatnonzero(classes == classes.max())[-1])


def _divide(
    labels: np.ndarray, groups: Sequence[str], *, parts: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Part of each clip, and how many classes each part has."""
    part = assign_folds(labels, groups, folds=parts, seed=seed)
    return part, np.array([len(np.unique(labels[part == each])) for each in range(parts)])
