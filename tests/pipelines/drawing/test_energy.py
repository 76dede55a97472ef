from __future__ import annotations

import numpy as np

from heatpool.pipelines.drawing.energy import EnergyChart, draw_sheet
from heatpool.pipelines.drawing.overlay import PERSON_COLOURS
from heatpool.pipelines.drawing.scene import Scene


def test_the_cursor_follows_time() -> None:
    scene = Scene.empty(1, 5, 17)
    scene.filled[0, [0, 1, 3, 4]] = True
    scene.energy[0] = [1, 2, 0, 4, 5]
    time_s = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    chart = EnergyChart.of(scene, time_s, size_px=(400, 120), title="a very long title " * 9)
    assert chart.rgb.shape == (120, 400, 3)
    for time, column in (
        (1.0, chart.left_px),
        (2.0, (chart.left_px + chart.right_px) / 2),
        (3.0, chart.right_px),
    ):
        changed = np.argwhere((chart.at(np.array([time])) != chart.rgb).any(2))
        assert set(changed[:, 1].tolist()) == {round(column)}
        assert changed[:, 0].max() - changed[:, 0].min() > 40
    coloured = (np.abs(chart.rgb.astype(int) - PERSON_COLOURS[0]) < 40).all(2)
    curve = coloured[chart.top_px + 1 : chart.bottom_px, chart.left_px : chart.right_px]
    rows, columns = np.nonzero(curve)
    assert rows[columns < 20].mean() > rows[columns > curve.shape[1] - 20].mean() + 30  # it rises
    middle = curve.shape[1] // 2
    assert not curve[:, middle - 20 : middle + 20].any()  # and is broken where nobody was


def test_nobody_and_a_single_frame_can_be_drawn() -> None:
    chart = EnergyChart.of(Scene.empty(2, 1, 17), np.zeros(1), size_px=(300, 120), title="$x$ and $")
    narrow = EnergyChart.of(
        Scene.empty(2, 1, 17), np.zeros(1), size_px=(20, 120), title="narrower than margins"
    )
    assert narrow.at(np.zeros(1)).shape == (120, 20, 3)
    tile = np.zeros((60, 80, 3), np.uint8)
    sheet = draw_sheet([tile] * 5, [0] * 5, Scene.empty(2, 1, 17), np.zeros(1), title="x")
    assert sheet.shape[0] > 2 * 60 + 150  # two rows of four, and the chart
    assert sheet.shape[1] == 4 * 86 + 6
    assert chart.rgb.std() > 1
