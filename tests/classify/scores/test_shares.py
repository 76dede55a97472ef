from __future__ import annotations

import math

import numpy as np
import pytest

from heatpool.classify.scores.shares import Share, confused_pairs


@pytest.mark.parametrize(("correct", "total"), [(0, 5), (3, 4), (5, 5), (81, 100)])
def test_interval_is_wilsons(correct: int, total: int) -> None:
    z, p = 1.959963984540054, correct / total
    centre = (p + z * z / (2 * total)) / (1 + z * z / total)
    reach = z / (1 + z * z / total) * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    assert Share(correct, total).interval == pytest.approx((centre - reach, centre + reach), abs=1e-9)


def test_interval_known_from_print() -> None:
    # Wilson interval of 81 of 100: 0.7222 to 0.8749 (Newcombe's method 3 tables give 0.722 to 0.875).
    assert Share(81, 100).interval == pytest.approx((0.7222, 0.8749), abs=1e-4)


@pytest.mark.parametrize(("correct", "total"), [(1, 0), (3, 2), (-1, 2)])
def test_impossible_shares_are_refused(correct: int, total: int) -> None:
    with pytest.raises(ValueError, match="expected 0 <= correct <= total"):
        Share(correct, total)


def test_confused_pairs_leave_out_the_diagonal() -> None:
    confusion = np.array([[9, 1, 0], [4, 5, 2], [0, 0, 7]])
    assert confused_pairs(confusion) == [(1, 0, 4), (1, 2, 2), (0, 1, 1)]
    assert confused_pairs(confusion, limit=1) == [(1, 0, 4)]
    assert confused_pairs(np.diag([3, 2])) == []
