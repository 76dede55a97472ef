"""Warnings of a split, each by a split that has only that fault."""

from __future__ import annotations

from typing import Any

import numpy as np

from heatpool.pool.records import Split
from heatpool.pool.split_findings import check_split, find_split_problems
from heatpool.pool.split_findings.problems import majority_baseline
from tests.pool.split_findings.split_cases import TEST, TRAIN, VAL, N, index

PARTS = [TRAIN] * 10 + [VAL] * 2 + [TEST] * 30
LABELS = [0, 1] * 21


def problems(parts: list[Split], labels: list[int], **arguments: Any) -> tuple[str, ...]:
    return find_split_problems(index(parts, labels=labels, **arguments), "xsub")


def test_a_split_that_has_all_it_needs_has_no_problem() -> None:
    assert problems(PARTS, LABELS) == ()
    assert problems(PARTS, LABELS, class_names=("a", "b", "never filmed")) == ()


def test_classes_that_train_lacks_and_empty_parts() -> None:
    given = index([TRAIN] * 5 + [TEST] * 30 + [TEST, N], labels=[0, 0, 0, 0, 0] + [0] * 30 + [1, 1])
    found = [(each.level, each.check, each.rows) for each in check_split(given, "xsub")]
    assert found[:2] == [("warning", "empty_split", ()), ("error", "class_not_in_train", (35,))]
    assert find_split_problems(given, "xsub")[:2] == (  # errors come first
        "xsub: 1 class of val or test without a train clip: b",
        "xsub has no val clip: heatpool train takes an eighth of the train clips as val",
    )
    assert problems([TEST] * 30, [0, 1] * 15)[:1] == ("xsub has no train clip",)
    assert problems([*[TRAIN] * 10, VAL, VAL], LABELS[:12])[0].startswith(
        "xsub has no test clip: heatpool train tests on val, and takes an eighth of the train clips"
    )


def test_classes_without_val_or_test_clips() -> None:
    assert problems([*PARTS, *[TRAIN] * 5], [*LABELS, *[2] * 5], class_names=("a", "b", "c")) == (
        "xsub: 1 class of 3 without a val clip, so the best epoch is chosen on the others: c",
        "xsub: 1 class of 3 without a test clip, so the figures are of the others: c",
    )


def test_few_clips_and_what_guessing_gets() -> None:
    # Of two clips of two classes a guess gets none in 1 of 4 cases: 95 % of all guesses are anything.
    lines = problems([*[TRAIN] * 10, VAL, VAL, TEST, TEST], LABELS[:14])
    assert lines == (
        "xsub has 2 test clips: guessing alone gets 0 to 100 % of them right, and one clip is 50 points; "
        "30 or more say something",
    )
    # 8 fair coins: 0 heads in 0.4 %, at most 1 in 3.5 %, at most 6 in 96.5 %, at most 7 in 99.6 % of cases.
    assert (
        "guessing alone gets 12 to 88 % of them right" in problems([*PARTS[:12], *[TEST] * 8], LABELS[:20])[0]
    )
    assert problems(PARTS[2:], LABELS[2:]) == ("xsub: 2 classes with fewer than 5 train clips: a (4), b (4)",)


def test_one_class_and_a_majority() -> None:
    for parts in (PARTS, PARTS[:20]):  # with few test clips, too: there is nothing to guess
        assert problems(parts, [0] * len(parts)) == ("xsub has one class only (a): nothing to tell apart",)
    often = [0] * 25 + [1] * 5
    assert problems(PARTS, [*[0, 1] * 6, *often]) == (
        "xsub: always naming a, the most frequent class of train, is right on 83 % of test: look at the mean "
        "class accuracy, not at top-1",
    )
    assert majority_baseline(np.array([2, 1, 1, 2, 2]), np.array([2, 0, 1, 1])) == (2, 0.25)


def test_rows_that_do_not_count_are_as_if_they_were_in_no_split() -> None:
    given = index(PARTS, labels=LABELS)
    assert find_split_problems(given, "xsub", np.arange(10)) == (
        "xsub has no val clip: heatpool train takes an eighth of the train clips as val",
        "xsub has no test clip: heatpool train --folds 5 tests every clip once",
    )
