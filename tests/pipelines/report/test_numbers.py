from __future__ import annotations

import math

import numpy as np
import pytest

from heatpool.pipelines.report.numbers import (
    HeldOut,
    Share,
    confused_pairs,
    count_agreement,
    find_held_out,
    published_bytes,
)
from tests.pipelines.report.report_cases import RIGHT, make_scores


@pytest.mark.parametrize(("right", "total"), [(0, 5), (3, 4), (5, 5), (81, 100)])
def test_interval_is_wilsons(right: int, total: int) -> None:
    z, p = 1.959963984540054, right / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    assert Share(right, total).interval == pytest.approx((centre - reach, centre + reach), abs=1e-9)


def test_interval_known_from_print() -> None:
    # Wilson interval of 81 of 100: 0.7222 to 0.8749 (Newcombe's method 3 tables give 0.722 to 0.875).
    assert Share(81, 100).interval == pytest.approx((0.7222, 0.8749), abs=1e-4)


@pytest.mark.parametrize(("right", "total"), [(1, 0), (3, 2), (-1, 2)])
def test_impossible_shares_are_refused(right: int, total: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= right <= total"):
        Share(right, total)


def test_confused_pairs_leave_out_the_diagonal() -> None:
    confusion = np.array([[9, 1, 0], [4, 5, 2], [0, 0, 7]])
    assert confused_pairs(confusion) == [(1, 0, 4), (1, 2, 2), (0, 1, 1)]
    assert confused_pairs(confusion, limit=1) == [(1, 0, 4)]
    assert confused_pairs(np.diag([3, 2])) == []


def test_agreement_counts_every_clip_once() -> None:
    rows = (4, 5, 6, 7)  # labels 0, 1, 1, 0
    streams = {name: make_scores(rows, RIGHT[name]) for name in ("pooled_joint", "keypoints_joint")}
    found = count_agreement(streams)
    # Clip 4: both; clips 5 and 6: pooled only; clip 7: keypoints only.
    assert (found.all_right, found.none_right, found.rest) == (1, 0, 0)
    assert found.only == {"pooled_joint": 2, "keypoints_joint": 1}
    three = count_agreement({**streams, "third": make_scores(rows, (2, 1, 2, 0))})
    # Clip 4: two of three; 5: two; 6: pooled only; 7: two.
    assert (three.all_right, three.none_right, three.rest) == (0, 0, 3)
    assert three.only == {"pooled_joint": 1, "keypoints_joint": 0, "third": 0}


def test_held_out_column_is_found() -> None:
    columns = {
        "subject": ("a", "a", "b", "c", "c"),
        "camera": ("1", "2", "1", "1", "2"),
        "setup": ("", "x", "x", "y", "y"),  # unknown for a clip: nothing can be said
    }
    found = find_held_out(columns, learned=np.array([0, 1, 2]), test=np.array([3, 4]))
    assert found == [HeldOut("subject", ("c",))]


def test_published_layout_is_the_authors_file() -> None:
    # S001C001P001R001A001.npy as published: T=64, M=2, V=17, C=96, float32, 835,712 bytes on disk.
    assert published_bytes(steps=64, joints=17, channels=96) == 835_712
