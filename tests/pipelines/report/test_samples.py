from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.drawing.clip_frames import View, draw_heatmaps, nearest_frames
from heatpool.pipelines.report.samples import choose_clips, pooled_energy
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames
from tests.pipelines.report.report_cases import SpotBackbone, make_features, make_scores


def test_choice_mixes_right_and_wrong_of_several_classes() -> None:
    scores = make_scores((4, 5, 6, 7, 0, 1), (0, 1, 0, 1, 0, 2))  # wrong: 6 → 0, 7 → 1, 1 → 2
    chosen = choose_clips(scores, np.ones(6, int), count=4)
    right = scores.scores.argmax(1) == scores.labels
    assert right[chosen].tolist() == [False, False, True, True]
    assert sorted(scores.labels[chosen].tolist()) == [0, 0, 1, 1]  # both classes, on either side


def test_choice_brings_in_a_clip_with_two_people() -> None:
    scores = make_scores((4, 5, 6, 7), (0, 1, 1, 0))
    persons = np.array([1, 1, 2, 1])
    assert 2 in choose_clips(scores, persons, count=2)
    assert len(set(choose_clips(scores, persons, count=9))) == 4


def test_energy_is_the_distance_from_the_mean() -> None:
    clip = make_features(1)
    energy = pooled_energy(clip.pooled, clip.mask)
    # Every channel is 0, 1, ..., 7 in time, mean 3.5.
    np.testing.assert_allclose(energy[0], np.abs(np.arange(8) - 3.5))
    assert np.isnan(energy[1]).all()


def test_nearest_frames_go_by_time(make_video: VideoMaker) -> None:
    path = make_video(gray_frames(20), fps=10)
    frames = nearest_frames(path, np.array([0.0, 0.54, 0.56, 1.9]))
    numbers = [round((frame.mean() - 20) / 3) for frame in frames]
    assert numbers == [0, 5, 6, 19]


def test_missing_video_is_an_error_of_the_user(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="does not exist"):
        nearest_frames(tmp_path / "gone.mp4", np.array([0.0]))


def test_view_keeps_the_aspect_and_holds_the_boxes() -> None:
    view = View.around(np.array([[10.0, 40, 60, 110]]), width_px=320, height_px=240)
    assert (view.width_px, view.height_px) == (121, 91)  # 1.3 * 70 of 240 rows
    assert view.left_px == 0
    assert view.top_px <= 40
    assert view.top_px + view.height_px >= 110
    whole = View.around(np.array([[0.0, 0, 320, 240]]), width_px=320, height_px=240)
    assert (whole.left_px, whole.top_px, whole.width_px, whole.height_px) == (0, 0, 320, 240)


def test_heatmaps_lie_on_the_middle_of_the_box() -> None:
    # The peak is cell (4, 3) of 8 x 6, crop pixel (12, 16): the crop's centre, hence the box's.
    frame = np.full((96, 128, 3), 100, np.uint8)
    boxes = np.array([[20.0, 20, 44, 52], [80, 30, 104, 62]])
    found = draw_heatmaps(frame, boxes, backbone=SpotBackbone(), device="cpu")
    assert found is not None
    drawn, peaks = found
    assert peaks == [0.5, 0.5]
    for x, y in ((32, 36), (92, 46)):
        assert drawn[y, x].astype(int).sum() > 500  # the top of the colour map
    assert tuple(drawn[5, 5]) == (100, 100, 100)
    assert draw_heatmaps(frame, boxes, backbone=SpotBackbone(heatmaps=False), device="cpu") is None
