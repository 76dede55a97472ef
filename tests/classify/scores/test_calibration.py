from __future__ import annotations

import numpy as np
import pytest

from heatpool.classify.scores.calibration import calibrate
from heatpool.classify.scores.scores import ClipScores
from heatpool.pool.errors import HeatpoolError


def two_class(confidence: list[float], right: list[bool]) -> ClipScores:
    """Class 0 is always the guess; it is the label where `right`."""
    sure = np.array(confidence, np.float32)
    return ClipScores(
        clip_ids=tuple(f"c{n}" for n in range(len(sure))),
        scores=np.stack([sure, 1 - sure], 1),
        labels=np.where(right, 0, 1).astype(np.int64),
        class_names=("a", "b"),
        kind="probabilities",
    )


def test_error_by_hand() -> None:
    # Ten bins: (0.6, 0.7] holds clips at 0.62 and 0.66, one right; (0.8, 0.9] two at 0.85, both right.
    found = calibrate(two_class([0.62, 0.66, 0.85, 0.85], [True, False, True, True]), bins=10)
    assert found.ece == pytest.approx((2 * abs(0.5 - 0.64) + 2 * abs(1 - 0.85)) / 4)
    assert found.confidence == pytest.approx((0.62 + 0.66 + 2 * 0.85) / 4)
    assert found.log_loss == pytest.approx(-(np.log(0.62) + np.log(0.34) + 2 * np.log(0.85)) / 4)
    filled = {round(row.high, 1): row for row in found.rows if row.clips}
    assert sorted(filled) == [0.7, 0.9]
    assert (filled[0.7].clips, filled[0.7].accuracy) == (2, 0.5)
    assert filled[0.7].confidence == pytest.approx(0.64)
    assert filled[0.9].accuracy == 1.0
    assert sum(row.clips for row in found.rows) == 4
    assert all(row.confidence is None and row.accuracy is None for row in found.rows if not row.clips)


def test_certainty_and_chance_have_bins_too() -> None:
    found = calibrate(two_class([1.0, 0.5], [True, True]), bins=2)
    assert [row.clips for row in found.rows] == [1, 1]
    assert found.ece == pytest.approx((0 + 0.5) / 2)


def test_a_calibrated_classifier_has_a_small_error_and_a_boaster_a_large_one() -> None:
    rng = np.random.default_rng(0)
    sure = rng.uniform(0.5, 1, 20_000)
    right = rng.random(20_000) < sure
    assert calibrate(two_class(sure.tolist(), right.tolist())).ece < 0.02
    boaster = two_class([0.99] * 20_000, right.tolist())
    assert calibrate(boaster).ece == pytest.approx(0.99 - right.mean(), abs=1e-6)


def test_clips_without_labels_are_refused() -> None:
    scores = two_class([0.6], [True])
    unlabelled = ClipScores(scores.clip_ids, scores.scores, np.array([-1]), ("a", "b"), "probabilities")
    with pytest.raises(HeatpoolError, match="cannot calibrate: 1 of 1 clips have no label, such as 'c0'"):
        calibrate(unlabelled)
