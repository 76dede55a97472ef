from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.nn import functional

from heatpool.extract.engine.engine import ClipJob, EngineOptions, Outcome, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.records import PoseBatch
from heatpool.extract.video.sampling import Sampling
from heatpool.pool.records import Status
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker

OPTIONS = EngineOptions(persons=2, steps=8, frame_batch=4, person_batch=5)


def estimator(detector: BrightDetector | None = None, backbone: AnalyticBackbone | None = None) -> TopDown:
    return TopDown(detector or BrightDetector(), backbone or AnalyticBackbone(), device="cpu")


def walker(count: int, *, bright: int = 250, hidden: range = range(0)) -> list[np.ndarray]:
    """A bright block of 24 x 32 that walks 2 px a frame; dark frames where it is hidden."""
    frames = []
    for step in range(count):
        frame = np.zeros((96, 128, 3), np.uint8)
        if step not in hidden:
            frame[32:64, 2 * step : 2 * step + 24] = bright
        frames.append(frame)
    return frames


def extract(*paths: Path, options: EngineOptions = OPTIONS) -> list[Outcome]:
    jobs = [ClipJob(at, path) for at, path in enumerate(paths)]
    return extract_clips(jobs, options, estimator=estimator())


def test_pooled_vectors_and_joints_by_hand(make_video: VideoMaker) -> None:
    outcome = extract(make_video(walker(8)))[0]
    features = outcome.features
    assert features is not None
    assert outcome.result == replace(
        outcome.result,
        status=Status.OK,
        frames=8,
        fps=25.0,
        width_px=128,
        height_px=96,
        persons=1,
        reason="",
    )
    # The joints lie at a quarter and three quarters of the crop: positions -0.5 and 0.5, height 0.
    np.testing.assert_allclose(features.pooled[0, :, 0, :2], [[-0.5, 0.0]] * 8, atol=1e-6)
    np.testing.assert_allclose(features.pooled[0, :, 1, :2], [[0.5, 0.0]] * 8, atol=1e-6)
    assert (features.pooled[0, :, :, 2] > 0.85).all()  # the crop is the bright block
    # In the frame: block from 2 t to 2 t + 24, so the joints are at 2 t + 6 and 2 t + 18, y = 48.
    wanted_x = 2 * (2 * np.arange(8)[:, None] + [6, 18]) / 128 - 1
    np.testing.assert_allclose(features.keypoints[0, :, :, 0], wanted_x, atol=0.02)
    np.testing.assert_allclose(features.keypoints[0, :, :, 1], 0, atol=0.02)
    np.testing.assert_allclose(features.keypoints[0, :, :, 2], 0.5)
    np.testing.assert_allclose(features.boxes[0, 0], [0, 32 / 96, 24 / 128, 64 / 96], atol=0.02)
    np.testing.assert_allclose(features.time_s, np.arange(8) / 25, atol=1e-6)
    assert features.mask.tolist() == [[True] * 8, [False] * 8]
    assert not features.pooled[1].any()


def test_only_frames_that_steps_read_are_detected(make_video: VideoMaker) -> None:
    path = make_video(walker(50))
    detector, backbone = BrightDetector(), AnalyticBackbone()
    extract_clips([ClipJob(0, path)], OPTIONS, estimator=estimator(detector, backbone))
    assert sum(detector.calls) == 16  # two a step
    assert sum(backbone.batches) == 16


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.integers(2, 60), steps=st.integers(1, 80), stride=st.integers(1, 3))
def test_reading_some_frames_equals_reading_all(
    make_video: VideoMaker, frames: int, steps: int, stride: int
) -> None:
    path = make_video([np.roll(walker(1)[0], (at % 7, at), (0, 1)) for at in range(frames)])
    options = replace(OPTIONS, steps=steps, sampling=Sampling(frame_stride=stride))
    some = extract(path, options=options)[0].features
    every = extract(path, options=replace(options, steps=-(-frames // stride)))[0].features
    assert some is not None
    assert every is not None
    for name in ("pooled", "keypoints", "boxes"):
        got, whole = (getattr(each, name)[0].reshape(len(each.time_s), -1) for each in (some, every))
        columns = torch.from_numpy(whole.T.copy())[None]
        wanted = functional.interpolate(columns, steps, mode="linear", align_corners=False)[0].T.numpy()
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6, err_msg=name)


def test_batches_are_filled_across_clips(make_video: VideoMaker) -> None:
    paths = [make_video(walker(6), f"{at}.mp4") for at in range(5)]
    detector, backbone = BrightDetector(), AnalyticBackbone()
    jobs = [ClipJob(at, path) for at, path in enumerate(paths)]
    extract_clips(jobs, OPTIONS, estimator=estimator(detector, backbone))
    assert detector.calls == [4] * 7 + [2]  # 30 frames
    assert backbone.batches == [5] * 6


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame_batch=st.integers(1, 40), person_batch=st.integers(1, 40), threads=st.integers(1, 4))
def test_results_do_not_depend_on_batches_or_threads(
    make_video: VideoMaker, frame_batch: int, person_batch: int, threads: int
) -> None:
    paths = [make_video(walker(7 + 5 * at), f"{at}.mp4") for at in range(3)]
    wanted = extract(*paths)
    options = replace(OPTIONS, frame_batch=frame_batch, person_batch=person_batch, decode_threads=threads)
    for one, two in zip(wanted, extract(*paths, options=options), strict=True):
        assert one.result == two.result
        assert one.features is not None
        assert two.features is not None
        np.testing.assert_allclose(one.features.pooled, two.features.pooled, atol=1e-6)
        np.testing.assert_allclose(one.features.keypoints, two.features.keypoints, atol=1e-6)


def test_a_gap_is_masked_and_zero(make_video: VideoMaker) -> None:
    options = replace(OPTIONS, steps=16)
    features = extract(make_video(walker(16, hidden=range(6, 12))), options=options)[0].features
    assert features is not None
    seen = [not 6 <= step < 12 for step in range(16)]
    assert features.mask[0, :6].all()
    assert features.mask[0].sum() >= sum(seen) - 1  # the tracker may need a frame to find the person again
    assert not features.mask[0, 6:12].any()
    assert not features.pooled[0, 6:12].any()
    assert features.pooled[0, :6, :, 2].all()


def test_bad_clips_are_recorded_and_the_rest_goes_on(make_video: VideoMaker, tmp_path: Path) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video")
    good = make_video(walker(20), "good.mp4")
    single = make_video(walker(1), "single.mp4")
    dark = make_video(walker(9, bright=30), "dark.mp4")
    content = make_video(walker(40), "cut.avi", codec="mpeg4").read_bytes()
    cut = tmp_path / "cut.avi"
    cut.write_bytes(content[: len(content) * 8 // 10])
    outcomes = extract(text, good, single, dark, tmp_path / "nowhere.mp4", cut, good)
    assert [outcome.result.status for outcome in outcomes] == [
        Status.FAILED, Status.OK, Status.FAILED, Status.NO_PERSON, Status.FAILED, Status.TRUNCATED, Status.OK,
    ]  # fmt: skip
    assert "cannot open text.mp4" in outcomes[0].result.reason
    assert outcomes[2].result.reason == "expected at least 2 frames, single.mp4 holds 1"
    assert outcomes[3].result.reason == "no person detected in any frame"
    assert outcomes[3].features is None
    assert "does not exist" in outcomes[4].result.reason
    assert "header claims 40 frames" in outcomes[5].result.reason
    assert outcomes[5].features is not None
    assert outcomes[1].features is not None
    assert outcomes[6].features is not None
    assert np.array_equal(outcomes[1].features.pooled, outcomes[6].features.pooled)


def test_the_reason_says_what_was_dropped(make_video: VideoMaker) -> None:
    outcome = extract(make_video(walker(40, hidden=range(1, 40))), options=replace(OPTIONS, steps=40))[0]
    assert outcome.features is None
    assert outcome.result.status == Status.NO_PERSON
    assert outcome.result.reason.startswith("no person kept: 1 detection in 1 of 40 read frames")


def test_known_number_of_people_caps_the_slots(make_video: VideoMaker) -> None:
    frames = walker(10)
    for frame in frames:
        frame[70:90, 100:112] = 200
    path = make_video(frames)

    class TwoBoxes(BrightDetector):
        def detect(self, frames):  # type: ignore[no-untyped-def]
            found = super().detect(frames)
            box = np.array([[100, 70, 112, 90]], np.float32)
            for at, each in enumerate(found):
                walker_box = each.boxes_xyxy_px.copy()
                walker_box[:, 2:] = walker_box[:, :2] + [24, 32]
                found[at] = type(each)(np.concatenate([walker_box, box]), np.array([0.9, 0.8], np.float32))
            return found

    for known, filled in ((0, 2), (1, 1), (5, 2)):
        job = ClipJob(0, path, persons=known)
        outcome = extract_clips([job], OPTIONS, estimator=estimator(TwoBoxes()))[0]
        assert outcome.result.persons == filled


def test_an_error_of_the_network_is_not_swallowed(make_video: VideoMaker) -> None:
    class Broken(AnalyticBackbone):
        def forward(self, crops):  # type: ignore[no-untyped-def]
            raise RuntimeError("no such layer")

    with pytest.raises(RuntimeError, match="no such layer"):
        extract_clips([ClipJob(0, make_video(walker(9)))], OPTIONS, estimator=estimator(backbone=Broken()))


class SlopedBackbone(AnalyticBackbone):
    """The first map is brightness times x squared: its mean is 4/9 of the brightness, wherever joints lie."""

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        pose = super().forward(crops)
        bright = pose.maps[1][:, 1, 0, 0].view(-1, 1, 1, 1)
        return replace(pose, maps=(bright * pose.maps[0].square(), pose.maps[1]))


def brightening(count: int) -> list[np.ndarray]:
    """A standing block whose grey rises by 5 a frame."""
    frames = []
    for step in range(count):
        frame = np.zeros((96, 128, 3), np.uint8)
        frame[32:64, 40:64] = 140 + 5 * step
        frames.append(frame)
    return frames


def test_means_of_maps_by_hand(make_video: VideoMaker) -> None:
    """Seven equally spaced x from -1 to 1 have the mean square 4/9, and y has the mean 0."""
    path = make_video(brightening(20))
    features = extract_clips([ClipJob(0, path)], OPTIONS, estimator=estimator(backbone=SlopedBackbone()))[
        0
    ].features
    assert features is not None
    assert features.map_mean is not None
    assert features.map_mean.shape == (2, 8, 3)
    # The third channel is the brightness itself, the same in the whole map: 20 frames in 8 steps of 2.5.
    wanted = (140 + 5 * (2.5 * (np.arange(8) + 0.5) - 0.5)) / 255
    np.testing.assert_allclose(features.map_mean[0, :, 2], wanted, atol=0.02)
    np.testing.assert_allclose(features.map_mean[0, :, 2], features.pooled[0, :, 0, 2], rtol=1e-6)
    np.testing.assert_allclose(features.map_mean[0, :, 0], 4 / 9 * features.map_mean[0, :, 2], rtol=1e-5)
    np.testing.assert_allclose(features.map_mean[0, :, 1], 0, atol=1e-6)
    assert not features.map_mean[1].any()


@pytest.mark.parametrize("gaps", ["skip", "zeros"])
def test_means_of_maps_are_resampled_as_pooled_features_are(
    make_video: VideoMaker, gaps: Literal["skip", "zeros"]
) -> None:
    """Of a map without structure the mean and every sample are the same, gaps or not."""
    options = replace(OPTIONS, steps=11, gaps=gaps)
    path = make_video([frame * (not 6 <= step < 11) for step, frame in enumerate(brightening(20))])
    features = extract_clips([ClipJob(0, path)], options, estimator=estimator())[0].features
    assert features is not None
    assert features.map_mean is not None
    assert not features.mask[0].all()
    np.testing.assert_allclose(features.map_mean[..., 2], features.pooled[..., 0, 2], rtol=1e-6)
