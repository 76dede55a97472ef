from __future__ import annotations

import numpy as np
import pytest

from heatpool.pipelines.drawing.overlay import PERSON_COLOURS
from heatpool.pipelines.drawing.view import PersonsInView, View, scaled_size


def test_view_keeps_the_aspect_and_holds_the_boxes() -> None:
    view = View.around(np.array([[10.0, 40, 60, 110]]), size_px=(320, 240))
    assert (view.width_px, view.height_px) == (121, 91)  # 1.3 * 70 of 240 rows
    assert view.left_px == 0
    assert view.top_px <= 40
    assert view.top_px + view.height_px >= 110
    whole = View.around(np.array([[0.0, 0, 320, 240]]), size_px=(320, 240))
    assert (whole.left_px, whole.top_px, whole.width_px, whole.height_px) == (0, 0, 320, 240)
    assert View.around(np.zeros((0, 4)), size_px=(320, 240)) == whole  # nobody is there


def test_a_view_moves_and_scales_what_is_drawn() -> None:
    persons = PersonsInView([1], np.array([[40, 20, 60, 50]]), np.zeros((1, 17, 2)), np.zeros((1, 17)))
    drawn = View(30, 10, 40, 50).draw(np.zeros((100, 100, 3), np.uint8), persons, size_px=(160, 200))
    rows, columns = np.nonzero((np.abs(drawn.astype(int) - PERSON_COLOURS[1]) < 60).all(2))
    inside = rows >= 41  # below the name
    assert (columns.min(), columns[inside].max(), rows.max()) == pytest.approx((40, 120, 160), abs=4)


@pytest.mark.parametrize(
    ("size", "longer", "scaled"),
    [((1920, 1080), 960, (960, 540)), ((1080, 1920), 961, (540, 960)), ((7, 3), 20, (20, 8))],
)
def test_scaled_sizes_are_even(size: tuple[int, int], longer: int, scaled: tuple[int, int]) -> None:
    assert scaled_size(size, longer) == scaled
