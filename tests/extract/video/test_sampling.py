from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.video.reader import VideoInfo, probe
from heatpool.extract.video.sampling import Sampling, cut_windows, windows
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
    poser = TopDown(BrightDetector(), AnalyticBackbone(), device="cpu")
    outcome = extract_clips([ClipJob(0, make_video(frames))], options, poser=poser)[0]
    assert outcome.features is not None
    assert outcome.result.frames == 40
    wanted = ResamplePlan.linear(10, 8).apply(np.arange(0, 40, 4) / 25)
    np.testing.assert_allclose(outcome.features.time_s, wanted, atol=1e-6)


def test_windows_by_hand() -> None:
    assert list(windows(0, 10, window_s=4, stride_s=3)) == [(0, 4), (3, 7), (6, 10)]
    assert list(windows(0, 9, window_s=4, stride_s=3)) == [(0, 4), (3, 7), (5, 9)]
    assert list(windows(2, 5, window_s=4, stride_s=3)) == [(2, 5)]


def test_a_long_video_becomes_clips(make_video: VideoMaker, tmp_path: Path) -> None:
    path = make_video(gray_frames(75))  # 3 s
    clips = (Clip("long", path, label=0, class_name="x"), Clip("none", tmp_path / "none.mp4"))
    cut = cut_windows(Manifest(clips, ("x",), tmp_path), window_s=1, stride_s=1)
    assert [clip.clip_id for clip in cut.clips] == [
        "long@0.00-1.00",
        "long@1.00-2.00",
        "long@2.00-3.00",
        "none",
    ]
    assert {clip.label for clip in cut.clips} == {0, -1}
    found = [probe(clip.path, start_s=clip.start_s, end_s=clip.end_s) for clip in cut.clips[:3]]
    assert [each.frames for each in found] == [25, 25, 25]
    assert [each.first_frame for each in found] == [0, 25, 50]
