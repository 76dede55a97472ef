from __future__ import annotations

import numpy as np
import pytest

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.video.reader import VideoInfo
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.resample import ResamplePlan
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker, gray_frames


def info(times_s: list[float]) -> VideoInfo:
    count = len(times_s)
    return VideoInfo(0, count, count, count, 25.0, 64, 48, "", np.array(times_s))


def test_stride_takes_every_so_many_frames() -> None:
    assert Sampling(frame_stride=3).frames(info([0.0] * 8)).tolist() == [0, 3, 6]


def test_rate_takes_the_frame_nearest_to_each_tick() -> None:
    uneven = info([0.0, 0.1, 0.22, 0.5, 0.51, 0.9])  # ticks at 0, 0.25, 0.5, 0.75
    assert Sampling(sample_fps=4).frames(uneven).tolist() == [0, 2, 3, 5]


def test_a_rate_above_the_videos_takes_all_frames() -> None:
    assert Sampling(sample_fps=100).frames(info([0.0, 0.1, 0.2])).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "wrong", [{"frame_stride": 0}, {"sample_fps": -1}, {"frame_stride": 2, "sample_fps": 5}]
)
def test_rules_that_contradict_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Sampling(**wrong)  # type: ignore[arg-type]


def test_a_sampled_clip_is_the_clip_of_those_frames(make_video: VideoMaker) -> None:
    frames = gray_frames(40)
    for at, frame in enumerate(frames):
        frame[10:30, at : at + 12] = 250
    options = EngineOptions(persons=1, steps=8, sampling=Sampling(frame_stride=4))
    estimator = TopDown(BrightDetector(), AnalyticBackbone(), device="cpu")
    outcome = extract_clips([ClipJob(0, make_video(frames))], options, estimator=estimator)[0]
    assert outcome.features is not None
    assert outcome.result.frames == 40
    wanted = ResamplePlan.linear(10, 8).apply(np.arange(0, 40, 4) / 25)
    np.testing.assert_allclose(outcome.features.time_s, wanted, atol=1e-6)
