"""Pickles that are no PYSKL files, or whose clips cannot be meant so: one line that says what they are."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.pyskl_file import read_pyskl
from tests.pool.exchange.test_pyskl import SAME, annotation, spatial, take, write


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keypoint": np.zeros((4, 17))}, r"expected keypoints \(M, T, V, 2\), or 3, .*, got \(4, 17\)"),
        ({"keypoint": np.zeros((4, 2, 17, 2))}, r"of 4 frames, got \(4, 2, 17, 2\)"),
        ({"keypoint": np.zeros((1, 17, 4, 2))}, r"of 4 frames, got \(1, 17, 4, 2\)"),
        ({"keypoint_score": np.zeros((1, 3, 17))}, r"score \(1, 4, 17\) beside .*, got \(1, 3, 17\)"),
        ({"img_shape": (0, 10)}, r"expected img_shape \(height, width\), got \[0, 10\]"),
        ({"keypoint": SAME["keypoint"] / 400}, "in pixels, got none beyond 0.29.*: fractions of the frame"),
        ({"keypoint": {"not": "numbers"}}, "expected numbers"),
        ({"img_shape": (120, 90)},
         r"clip 'a': expected img_shape \(height, width\), got \(120, 90\), but joints reach to x = 116"),
        ({"label": np.eye(3)[0]}, r"expected one label, got \[1.0, 0.0, 0.0\]"),
        ({"label": 7}, "expected a label of the 1 class names, got '7' in clip 'a'"),
        ({"label": 0.5}, "whole numbers"),
        ({"label": [0, 1]}, "clip 'a': expected one label"),
        ({"frame_dir": None}, "expected annotations with a frame_dir, got one with 'frame_dir, label"),
        ({"keypoint": None, "raw_file": "k/a.pkl"}, "lie in other files, as of Kinetics .*'k/a.pkl'"),
        ({"keypoint": None, "box_score": [1.0]}, "lie in other files, as of Kinetics"),
        ({"keypoint": None}, "expected a keypoint, got 'frame_dir, label"),
        ({"frame_inds": np.array([0, 1, 2, 9]), "keypoint": np.zeros((4, 17, 3)), "keypoint_score": None},
         "expected frame_inds from 0 to 3, got 0 to 9"),
    ],
)  # fmt: skip
def test_bad_annotations_are_one_line_that_says_what_they_are(
    tmp_path: Path, changes: dict, message: str
) -> None:
    path = write(tmp_path / "x.pkl", [annotation("a", **changes)])
    with pytest.raises(HeatpoolError, match=message) as error:
        take(path, tmp_path / "s.zarr", class_names=("one",))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "s.zarr").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "a PYSKL file with annotations and split, got a list of 1"),
        ({"a": np.ones(3, np.float32)}, "got a dict from clip name to scores, which heatpool fuse reads"),
        ((["a"], [0]), "got names and labels, as ST-GCN keeps"),
        ({"x": 1, "y": 2}, "got a dict with 'x, y'"),
        ({"frames": []}, "got a dict with 'frames'"),
        (np.zeros((3, 4)), "got a array"),
        ({"split": {}, "annotations": []}, "expected annotations, got none"),
        ({"split": {}, "annotations": [[1]]}, "expected annotations that are dicts, got a list"),
        ({"split": {"train": ["x"]}, "annotations": [SAME]}, "splits of its annotations, .* others: 'x'"),
        ({"split": {"train": [0]}, "annotations": [SAME]}, "expected clip names in its splits"),
        ({"split": {"train": ["a"], "val": ["a"], "test": ["b"]}, "annotations": [SAME, annotation("b")]},
         "each clip in one split, got 1 in both train and val, such as 'a'"),
        ([SAME, spatial("b", 17)], "all clips in 2-D or all in 3-D"),
        ([SAME, SAME], "expected each clip once, got 'a' twice"),
        ([SAME, annotation("b", keypoint=np.zeros((1, 4, 5, 2)), keypoint_score=np.ones((1, 4, 5)))],
         "expected 17 joints as in the first clip, got 5"),
    ],
)  # fmt: skip
def test_other_files_are_one_line_that_says_what_they_are(tmp_path: Path, content, message: str) -> None:
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content))
    with pytest.raises(HeatpoolError, match=message) as error:
        read_pyskl(tmp_path / "x.pkl")
    assert "\n" not in str(error.value)


def test_lists_that_hold_themselves_are_refused(tmp_path: Path) -> None:
    endless: list = []
    endless.append(endless)
    with pytest.raises(HeatpoolError, match="lists without end"):
        read_pyskl(write(tmp_path / "x.pkl", [annotation("a", keypoint=endless)]))
