"""What a split lacks is made up for: published ones often have train and test alone."""

from __future__ import annotations

import numpy as np
import pytest

from heatpool.classify.data.splits import complete_split
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split

TRAIN, TEST = int(Split.TRAIN), int(Split.TEST)


def make_index(
    parts: list[int], *, labels: list[int] | None = None, subjects: list[str] | None = None, rule: str = ""
) -> ClipIndex:
    count = len(parts)
    return ClipIndex(
        clip_id=tuple(f"c{row}" for row in range(count)),
        path=tuple(f"{row // 2}.mp4" for row in range(count)),  # two clips a video
        label=np.array(labels or [row // 2 % 2 for row in range(count)], np.int32),
        class_names=("a", "b"),
        columns={"subject": tuple(subjects)} if subjects else {},
        splits={"xsub": np.array(parts, np.uint8)},
        disjoint={"xsub": rule} if rule else {},
    )


def complete(index: ClipIndex) -> tuple[np.ndarray, tuple[str, ...]]:
    completed, notes = complete_split(index, "xsub", np.arange(len(index)))
    return completed.splits["xsub"], notes


def test_a_whole_split_stays_as_it_is() -> None:
    given = make_index([1, 2, 3])
    assert complete_split(given, "xsub", np.arange(3)) == (given, ())


def test_without_val_an_eighth_of_train_becomes_it_by_whole_videos() -> None:
    part, (note,) = complete(make_index([TRAIN] * 32 + [TEST] * 4))
    val = np.flatnonzero(part == Split.VAL)
    assert len(val) == 4
    assert all(part[row ^ 1] == Split.VAL for row in val)  # the other clip of its video
    assert (part[32:] == TEST).all()
    assert note.startswith("xsub has no val clip: 4 of 32 train clips, whole videos, are val in this run")
    assert complete(make_index([TRAIN] * 32 + [TEST] * 4))[0].tolist() == part.tolist()


def test_subjects_stay_whole_where_there_are_some_or_the_rule_is_about_them() -> None:
    five = [f"p{row // 4 % 5}" for row in range(40)]
    part, (note,) = complete(make_index([TRAIN] * 40, subjects=five))
    (held,) = {five[row] for row in np.flatnonzero(part == Split.VAL)}
    assert (part == Split.VAL).sum() == five.count(held) == 8
    assert f"all of subject {held}" in note
    two = ["p0"] * 20 + ["p1"] * 20
    part, _ = complete(make_index([TRAIN] * 40, subjects=two, rule="subject"))
    assert (part == Split.VAL).sum() == 20
    part, (note,) = complete(make_index([TRAIN] * 40, subjects=two))
    assert "whole videos" in note


def test_clips_without_a_label_are_left_out_and_counted() -> None:
    part, notes = complete(make_index([1, 1, 2, 2, 3, 0], labels=[0, -1, 1, -1, 0, -1]))
    assert part.tolist() == [1, 0, 2, 0, 3, 0]
    assert notes == ("xsub: 2 of 5 clips have no label: left out",)


def test_without_test_the_given_val_is_tested_on_and_another_is_drawn() -> None:
    """Published splits are often train and val: an epoch chosen on what is reported would flatter it."""
    part, (note,) = complete(make_index([TRAIN] * 32 + [int(Split.VAL)] * 4))
    assert (part[32:] == TEST).all()
    assert (part[:32] == Split.VAL).sum() == 4
    assert note.startswith(
        "xsub has no test clip: its 4 val clips are tested on in this run, and 4 of 32 train"
    )
    only_train = complete(make_index([TRAIN] * 32))[0]
    assert not (only_train == TEST).any()


def test_one_video_cannot_be_divided() -> None:
    with pytest.raises(HeatpoolError, match="the 2 train clips cannot be divided: .* 2 groups"):
        complete(make_index([TRAIN, TRAIN]))
