"""Two people who walk past each other, in a real video through the whole engine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.engine.slots import SELECTIONS
from heatpool.extract.records import Detections, Frame
from tests.conftest import AnalyticBackbone, FrameDetector, VideoMaker

STEPS = 40
# Red walks right, blue walks left and a little lower; both are 20 x 60 px.
RED, BLUE = (230, 30, 30), (30, 30, 230)


def crossing() -> list[np.ndarray]:
    frames = []
    for step in range(STEPS):
        frame = np.full((120, 200, 3), 60, np.uint8)
        frame[40:100, 170 - 4 * step : 190 - 4 * step] = BLUE
        frame[24:84, 10 + 4 * step : 30 + 4 * step] = RED
        frames.append(frame)
    return frames


class ColourDetector(FrameDetector):
    """Finds the red and the blue person; whoever stands further left is the surer one."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [self._one(frame.rgb.astype(int)) for frame in frames]

    def _one(self, rgb: np.ndarray) -> Detections:
        boxes = []
        for strong, weak in ((0, 2), (2, 0)):
            rows, columns = np.nonzero(rgb[..., strong] - rgb[..., weak] > 100)
            if len(rows) > 300:  # less is a person behind the other
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
        boxes.sort()
        scores = np.array([0.9, 0.7], np.float32)[: len(boxes)]
        return Detections(np.array(boxes, np.float32).reshape(-1, 4), scores)


def centres_x(make_video: VideoMaker, selection: str) -> np.ndarray:
    """Box centres (M, T) as fractions of the frame width, NaN where the slot is empty."""
    estimator = TopDown(ColourDetector(), AnalyticBackbone(), device="cpu")
    options = EngineOptions(persons=2, steps=STEPS, selection=SELECTIONS[selection])
    features = extract_clips([ClipJob(0, make_video(crossing()))], options, estimator=estimator)[0].features
    assert features is not None
    centre = (features.boxes[..., 0] + features.boxes[..., 2]) / 2
    return np.where(features.mask, centre, np.nan)


def test_slots_stay_with_their_person(make_video: VideoMaker) -> None:
    paths = centres_x(make_video, "tracked")
    ends = [(path[~np.isnan(path)][0], path[~np.isnan(path)][-1]) for path in paths]
    assert sorted(first < last for first, last in ends) == [
        False,
        True,
    ]  # one walks right, one left, all the way
    for path in paths:
        seen = path[~np.isnan(path)]
        assert len(seen) > 0.8 * STEPS
        assert np.abs(np.diff(seen)).max() < 0.25  # nobody jumps to where the other is


def test_the_published_rule_swaps_them(make_video: VideoMaker) -> None:
    surer = centres_x(make_video, "first")[0]
    assert surer[0] == pytest.approx(surer[-1], abs=0.1)  # slot 1 began with red and ends with blue
    assert np.nanmax(surer) < 0.65  # and never followed anybody to the right
