from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines.drawing.view import PersonsInView, View
from heatpool.pipelines.report.pictures import nearest_frames, person_heatmaps
from heatpool.pipelines.report.samples import choose_clips, pooled_energy
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker, gray_frames
from tests.pipelines.report.report_cases import SpotBackbone, make_features, make_scores


def test_choice_mixes_correct_and_wrong_of_several_classes() -> None:
    scores = make_scores((4, 5, 6, 7, 0, 1), (0, 1, 0, 1, 0, 2))  # wrong: 6 → 0, 7 → 1, 1 → 2
    chosen = choose_clips(scores, np.ones(6, int), count=4)
    correct = scores.scores.argmax(1) == scores.labels
    assert correct[chosen].tolist() == [False, False, True, True]
    assert sorted(scores.labels[chosen].tolist()) == [0, 0, 1, 1]  # both classes, on either side


def test_choice_brings_in_a_clip_with_two_persons() -> None:
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


def test_heatmaps_lie_on_the_middle_of_the_box() -> None:
    # The peak is cell (4, 3) of 8 x 6, crop pixel (12, 16): the crop's centre, hence the box's.
    frame = np.full((96, 128, 3), 100, np.uint8)
    boxes = np.array([[20.0, 20, 44, 52], [80, 30, 104, 62]])
    found = person_heatmaps(frame, boxes, network=SpotBackbone())
    assert found is not None
    for (heatmap, to_cells), (x, y) in zip(found, ((32, 36), (92, 46)), strict=True):
        assert heatmap.max() == 0.5
        np.testing.assert_allclose(to_cells @ [x, y, 1], [3, 4], atol=0.2)  # column and row of the peak
    nobody = PersonsInView((0, 1), boxes, np.zeros((2, 17, 2)), np.zeros((2, 17)))
    drawn = View.whole((128, 96)).draw(frame, nobody, size_px=(128, 96), heatmaps=found)
    for x, y in ((32, 36), (92, 46)):
        assert (drawn[y, x] != 100).any()
    assert tuple(drawn[90, 5]) == (100, 100, 100)
    assert person_heatmaps(frame, boxes, network=SpotBackbone(heatmaps=False)) is None
