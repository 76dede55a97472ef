"""What a colleague would say of a split before hours go into it: empty, too few, unseen, one-sided."""

from __future__ import annotations

import math

import numpy as np

from heatpool.pool.records import ClipIndex, Split
from heatpool.pool.split_findings.finding import Finding, count_of, row_tuple, some_of

__all__ = ["check_split", "find_split_problems", "majority_baseline"]

FEW_TEST_CLIPS = 30
"""Below this, the 95 % interval of a top-1 near one half is wider than 18 points either way."""

_FEW_TRAIN_CLIPS = 5  # of a class
_ONE_SIDED, _ONE_SIDED_EVENLY = 0.4, 1.5  # the majority's share of test, alone and over an even share
_PARTS = (Split.TRAIN, Split.VAL, Split.TEST)
_INSTEAD = {
    Split.TRAIN: "",
    Split.VAL: ": heatpool train takes an eighth of the train clips as val",
    Split.TEST: ": heatpool train --folds 5 tests every clip once",
}
"""What to do, or what is done, about a split that is empty."""
_VAL_INSTEAD = ": heatpool train tests on val, and takes an eighth of the train clips to choose the epoch on"


def find_split_problems(index: ClipIndex, protocol: str, rows: np.ndarray | None = None) -> tuple[str, ...]:
    """Say what is wrong with a split, worst first, one line each; nothing where all is well.

    Args:
        index: clips of a manifest or a store.
        protocol: name of the split; it must be there.
        rows: (n,) the clips that count, such as those with features; default all.
    """
    found = check_split(index, protocol, rows)
    return tuple(each.message for each in sorted(found, key=lambda each: each.level != "error"))


def check_split(index: ClipIndex, protocol: str, rows: np.ndarray | None = None) -> list[Finding]:
    """Check a split protocol: empty splits, classes that one of them lacks, few clips, one-sided classes.

    Classes are those that occur in the protocol, whatever else the index names. Leaks are `find_leaks`'.

    Args:
        index: clips.
        protocol: name of the split; it must be there.
        rows: (n,) the clips that count; default all.

    Returns:
        What was found.
    """
    part = index.splits[protocol]
    if rows is not None:
        part = np.where(np.isin(np.arange(len(index)), rows), part, Split.NONE)
    labels = {split: index.label[(part == split) & (index.label >= 0)] for split in _PARTS}
    findings = []
    for split in _PARTS:
        if not (part == split).any():
            instead = _INSTEAD[split]
            if split == Split.TEST and (part == Split.VAL).any():
                instead = _VAL_INSTEAD
            message = f"{protocol} has no {split.name.lower()} clip{instead}"
            findings.append(Finding("warning", "empty_split", message))
    findings += _unseen(index, protocol, part, labels[Split.TRAIN])
    classes = np.unique(np.concatenate([*labels.values()]))
    if len(classes) == 1:
        message = f"{protocol} has one class only ({index.class_names[classes[0]]}): nothing to tell apart"
        findings.append(Finding("warning", "one_class", message))
    else:
        findings += _absent(index, protocol, labels)
        findings += _few_train_clips(index, protocol, labels[Split.TRAIN])
        findings += _one_sided(index, protocol, labels)
    return findings + _few_test_clips(protocol, clips=len(labels[Split.TEST]), classes=len(classes))


def majority_baseline(train_labels: np.ndarray, test_labels: np.ndarray) -> tuple[int, float]:
    """Return the most frequent class of train, and the top-1 on test of always naming it.

    Args:
        train_labels: (n,) class numbers, at least one; of equally frequent ones the first counts.
        test_labels: (m,) class numbers, at least one.

    Returns:
        The class number, and a fraction.
    """
    majority = int(np.bincount(train_labels).argmax())
    return majority, float((test_labels == majority).mean())


def _unseen(index: ClipIndex, protocol: str, part: np.ndarray, trained: np.ndarray) -> list[Finding]:
    """Classes of val or test that train lacks: none of their clips can be recognised."""
    rows = np.flatnonzero((part > Split.TRAIN) & (index.label >= 0) & ~np.isin(index.label, trained))
    if not len(rows) or not len(trained):
        return []
    names = [index.class_names[label] for label in np.unique(index.label[rows])]
    message = (
        f"{protocol}: {count_of(names, 'classes')} of val or test without a train clip: {some_of(names)}"
    )
    return [Finding("error", "class_not_in_train", message, row_tuple(rows))]


def _absent(index: ClipIndex, protocol: str, labels: dict[Split, np.ndarray]) -> list[Finding]:
    """Classes of train that val or test lacks, where there is a val or test at all."""
    trained, findings = np.unique(labels[Split.TRAIN]), []
    for split, so in (
        (Split.VAL, "so the best epoch is chosen on the others"),
        (Split.TEST, "so the figures are of the others"),
    ):
        missing = np.setdiff1d(trained, labels[split])
        if len(labels[split]) and len(missing):
            names, name = [index.class_names[label] for label in missing], split.name.lower()
            what = f"{count_of(names, 'classes')} of {len(trained)} without a {name} clip, {so}"
            message = f"{protocol}: {what}: {some_of(names)}"
            findings.append(Finding("warning", f"class_not_in_{name}", message))
    return findings


def _few_train_clips(index: ClipIndex, protocol: str, trained: np.ndarray) -> list[Finding]:
    clips = np.bincount(trained, minlength=len(index.class_names))
    few = np.flatnonzero((clips > 0) & (clips < _FEW_TRAIN_CLIPS))
    if not len(few):
        return []
    names = [f"{index.class_names[label]} ({clips[label]})" for label in few]
    what = f"{count_of(names, 'classes')} with fewer than {_FEW_TRAIN_CLIPS} train clips"
    return [Finding("warning", "few_train_clips", f"{protocol}: {what}: {some_of(names)}")]


def _one_sided(index: ClipIndex, protocol: str, labels: dict[Split, np.ndarray]) -> list[Finding]:
    """A majority that makes top-1 look good by itself."""
    train, test = labels[Split.TRAIN], labels[Split.TEST]
    if not len(train) or not len(test):
        return []
    majority, share = majority_baseline(train, test)
    if share < max(_ONE_SIDED, _ONE_SIDED_EVENLY / len(np.unique(test))):
        return []
    name = index.class_names[majority]
    message = (
        f"{protocol}: always naming {name}, the most frequent class of train, is right on "
        f"{100 * share:.0f} % of test: look at the mean class accuracy, not at top-1"
    )
    return [Finding("warning", "one_sided", message)]


def _few_test_clips(protocol: str, *, clips: int, classes: int) -> list[Finding]:
    if not 0 < clips < FEW_TEST_CLIPS or classes < 2:  # of one class, every guess is right
        return []
    low, high = _chance_interval(clips, classes)
    message = (
        f"{protocol} has {clips} test clip{'s' * (clips > 1)}: guessing alone gets {100 * low:.0f} to "
        f"{100 * high:.0f} % of {'them' if clips > 1 else 'it'} right, and one clip is {100 / clips:.0f} "
        f"points; {FEW_TEST_CLIPS} or more say something"
    )
    return [Finding("warning", "few_test_clips", message)]


def _chance_interval(clips: int, classes: int) -> tuple[float, float]:
    """Shares between which 95 % of all guesses lie, by the quantiles of the binomial distribution."""
    p = 1 / classes
    chances = [math.comb(clips, k) * p**k * (1 - p) ** (clips - k) for k in range(clips + 1)]
    below = np.cumsum(chances)
    low, high = (int((below < quantile - 1e-12).sum()) for quantile in (0.025, 0.975))
    return low / clips, high / clips
