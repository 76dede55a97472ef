from __future__ import annotations

import numpy as np
import pytest

from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.spec import StoreSpec


def features(**changes: np.ndarray) -> ClipFeatures:
    arrays = {
        "pooled": np.zeros((2, 4, 3, 5), np.float32),
        "keypoints": np.zeros((2, 4, 3, 3), np.float32),
        "boxes": np.zeros((2, 4, 4), np.float32),
        "mask": np.zeros((2, 4), np.bool_),
        "time_s": np.zeros(4, np.float32),
    }
    return ClipFeatures(**(arrays | changes))


def test_repr_shows_shape_not_numbers() -> None:
    assert repr(features()) == "ClipFeatures(pooled (M,T,V,C)=(2, 4, 3, 5), persons seen=0)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pooled": np.zeros((2, 4, 3, 5))}, "expected pooled of dtype float32, got float64"),
        ({"mask": np.zeros((2, 5), np.bool_)}, r"expected mask of shape \(2, 4\), got \(2, 5\)"),
        ({"pooled": np.full((2, 4, 3, 5), np.nan, np.float32)}, "expected pooled to be finite"),
        ({"time_s": [0.0]}, "expected time_s to be a numpy array, got list"),
    ],
)
def test_what_does_not_fit_is_named(changes: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        features(**changes)


def index(**changes: object) -> ClipIndex:
    fields: dict[str, object] = {
        "clip_id": ("a", "b"),
        "path": ("a.mp4", "b.mp4"),
        "label": np.array([0, -1], np.int32),
        "class_names": ("x",),
    }
    return ClipIndex(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clip_id": ("a", "a")}, "unique clip ids, got 1 repeated"),
        ({"path": ("a",)}, "expected 2 paths, got 1"),
        ({"label": np.array([0, 1], np.int32)}, "expected labels from -1 to 0, got 0 to 1"),
        ({"columns": {"subject": ("1",)}}, "expected 2 values in column subject, got 1"),
        ({"splits": {"xsub": np.array([0, 9], np.uint8)}}, "expected splits 0 to 3 in split xsub, got 9"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        index(**changes)


def test_results_and_specs_check_their_counts() -> None:
    with pytest.raises(ValueError, match="fps"):
        ClipResult(Status.OK, fps=float("nan"))
    with pytest.raises(ValueError, match=">= 1"):
        StoreSpec(0, 64, 17, 96, "tiny", "tap", "", {})
