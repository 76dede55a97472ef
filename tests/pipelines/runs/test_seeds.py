from __future__ import annotations

import pytest

from heatpool.pipelines.runs.seeds import over_seeds


def test_spread_by_hand() -> None:
    found = over_seeds([0.4, 0.5, 0.6])
    assert (found.mean, found.std) == (pytest.approx(0.5), pytest.approx(0.1))
    half = 4.302653 * 0.1 / 3**0.5  # Student's t, two degrees of freedom
    assert found.interval == pytest.approx((0.5 - half, 0.5 + half))
    assert over_seeds([0.8, 1.0]).interval == (0.0, 1.0)  # never beyond what a share can be
    with pytest.raises(ValueError, match="two or more"):
        over_seeds([0.5])
