from __future__ import annotations

import numpy as np

from heatpool.pipelines.report.numbers import (
    HeldOut,
    count_agreement,
    find_held_out,
    published_bytes,
)
from tests.pipelines.report.report_cases import RIGHT, make_scores


def test_agreement_counts_every_clip_once() -> None:
    rows = (4, 5, 6, 7)  # labels 0, 1, 1, 0
    streams = {name: make_scores(rows, RIGHT[name]) for name in ("pooled_joint", "keypoints_joint")}
    found = count_agreement(streams)
    # Clip 4: both; clips 5 and 6: pooled only; clip 7: keypoints only.
    assert (found.all_correct, found.none_correct, found.rest) == (1, 0, 0)
    assert found.only == {"pooled_joint": 2, "keypoints_joint": 1}
    three = count_agreement({**streams, "third": make_scores(rows, (2, 1, 2, 0))})
    # Clip 4: two of three; 5: two; 6: pooled only; 7: two.
    assert (three.all_correct, three.none_correct, three.rest) == (0, 0, 3)
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
