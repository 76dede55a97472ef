"""Pooling at joints from a file: what a network found itself, given back to it, gives the same features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.yolo_parity import random_network
from heatpool.extract.demo.clip import render_clip
from heatpool.extract.demo.dataset import DemoSpec
from heatpool.extract.engine.at_once import look_at, pose_now
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import OneStage, PoseEstimator, TopDown
from heatpool.extract.engine.given_one_stage import GivenOneStage
from heatpool.extract.networks.detectors import UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.persons_file import PersonsFile
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.keypoints.records import PoseVideo
from heatpool.pool.records import ClipFeatures
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker
from tests.extract.engine.test_engine import walker
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.small_weights import NARROW_YOLO

STEPS = EngineOptions(persons=2, steps=16)
END_S = 1.6
"""Of clips: short, and all of it in one batch of the detector, whose last bits depend on the batch."""


def record(path: Path, estimator: PoseEstimator) -> PoseVideo:
    """All persons that a network finds in all frames of a video, as a file of keypoints would have them."""
    info = probe(path, end_s=END_S)
    frames = [
        Frame(0, each.index, each.time_s, each.rgb)
        for each in iter_frames(path, np.arange(info.frames), info=info)
    ]
    rows = []
    for frame, kept in zip(frames, look_at(estimator, frames), strict=True):
        found = kept.detections
        if len(found):
            posed = pose_now(estimator, [(kept, number) for number in range(len(found))])
            numbers = np.full(len(found), frame.index)
            rows.append((numbers, posed.joints_xy_px, posed.scores, found.scores, found.boxes_xyxy_px))
    number, joints, joint_scores, scores, boxes = (np.concatenate(each) for each in zip(*rows, strict=True))
    nobody = np.full(len(number), -1)
    return PoseVideo("", number, nobody, joints.astype("f4"), joint_scores, scores, boxes)


def features_of(path: Path, estimator: PoseEstimator, options: EngineOptions = STEPS) -> ClipFeatures:
    (outcome,) = extract_clips([ClipJob(0, path, end_s=END_S)], options, estimator=estimator)
    assert outcome.features is not None, outcome.result.reason
    return outcome.features


def assert_same(given: ClipFeatures, own: ClipFeatures) -> None:
    np.testing.assert_array_equal(given.mask, own.mask)
    for name, most in (("pooled", 1e-4), ("keypoints", 1e-5), ("boxes", 1e-6), ("map_mean", 1e-5)):
        got, wanted = getattr(given, name), getattr(own, name)
        np.testing.assert_allclose(got, wanted, atol=most * np.abs(wanted).max(), err_msg=name)


@pytest.fixture(scope="module")
def handshake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two drawn people who meet."""
    folder = tmp_path_factory.mktemp("drawn")
    (plan,) = [each for each in DemoSpec.small().clips() if each.action == "shake_hands"][:1]
    render_clip(plan, folder=folder)
    return next(folder.glob("*.mp4"))


def tiny() -> TopDown:
    detector = UltralyticsDetector(load_tiny_detector("cpu"), image_px=160, max_iou=0.6)
    return TopDown(detector, load_tiny_backbone("cpu"), device="cpu")


def test_the_tiny_network_at_its_own_joints(handshake: Path) -> None:
    own = tiny()
    video = record(handshake, own)
    given = TopDown(
        PersonsFile(lambda clip: video, "joints.json"),
        load_tiny_backbone("cpu"),
        device="cpu",
        given_joints=17,
    )
    with_file, alone = features_of(handshake, given), features_of(handshake, own)
    assert alone.mask.any(1).all()  # both people
    assert_same(with_file, alone)


def test_hrnet_at_its_own_joints(make_video: VideoMaker) -> None:
    backbone, path = HRNetBackbone(narrow()), make_video(walker(8))
    own = TopDown(BrightDetector(), backbone, device="cpu")
    video = record(path, own)
    given = TopDown(PersonsFile(lambda clip: video, "joints.json"), backbone, device="cpu", given_joints=5)
    alone = features_of(path, own)
    assert_same(features_of(path, given), alone)
    assert alone.pooled[alone.mask].std() > 1e-3


def test_a_whole_frame_network_at_its_own_joints(make_video: VideoMaker, tmp_path: Path) -> None:
    weights = random_network("yolo11n-pose.yaml", tmp_path / "pose.pt", raised=-1, **NARROW_YOLO)
    rng = np.random.default_rng(0)
    path = make_video([rng.integers(0, 255, (96, 130, 3), dtype=np.uint8) for _ in range(4)])
    backbone = YoloPose(load_ultralytics(weights), taps=("p3", "p5"), image_px=128)
    video = record(path, OneStage(backbone))
    given = GivenOneStage(PersonsFile(lambda clip: video, "joints.json"), backbone, joints=17)
    options = replace(STEPS, steps=4)
    with_file, alone = features_of(path, given, options), features_of(path, OneStage(backbone), options)
    # The mean over a box that reaches into the padding is another one: given boxes end at the picture's edge.
    assert_same(replace(with_file, map_mean=alone.map_mean), alone)
    assert alone.pooled[alone.mask].std() > 1e-3


def given_at(
    video: PoseVideo, joints: int = 2, options: EngineOptions = STEPS, *, path: Path
) -> ClipFeatures:
    estimator = TopDown(
        PersonsFile(lambda clip: video, "joints.json"), AnalyticBackbone(), device="cpu", given_joints=joints
    )
    return features_of(path, estimator, options)


def walking_joints(steps: int, joints: int) -> PoseVideo:
    """Joints in the middle of a `walker`, side by side over a quarter of its width, in its own box."""
    x = 2 * np.arange(steps)[:, None] + 9 + 6 * np.linspace(0, 1, joints)
    xy = np.stack([x, np.full_like(x, 48)], -1).astype("f4")
    boxes = np.stack(
        [2 * np.arange(steps), np.full(steps, 32), 2 * np.arange(steps) + 24, np.full(steps, 64)], 1
    )
    ones = np.ones((steps, joints), "f4")
    return PoseVideo("", np.arange(steps), np.zeros(steps, "i8"), xy, ones, ones[:, 0], boxes.astype("f4"))


def test_joints_of_any_number_are_where_the_map_is_read(make_video: VideoMaker) -> None:
    features = given_at(walking_joints(8, 5), 5, path=make_video(walker(8)))
    assert features.pooled.shape == (2, 16, 5, 3)
    # Channel 0 holds x of the crop, from -1 to 1 over 24 pixels: 9 to 15 of them are -0.25 to 0.25.
    np.testing.assert_allclose(features.pooled[0, 0, :, 0], np.linspace(-0.25, 0.25, 5), atol=1e-5)
    np.testing.assert_allclose(features.pooled[0, :, :, 1], 0, atol=1e-5)
    np.testing.assert_allclose(features.keypoints[0, 0, :, 0], 2 * np.linspace(9, 15, 5) / 128 - 1, atol=1e-5)
    assert features.keypoints[0, :, :, 2].min() == 1


def test_what_is_missing_is_zero_and_does_not_mix_with_what_is_not(make_video: VideoMaker) -> None:
    video = walking_joints(8, 2)
    joints, scores = video.joints.copy(), video.joint_score.copy()
    joints[3:5, 1], scores[3:5, 1] = np.nan, 0
    gap = replace(video, joints=joints, joint_score=scores)
    path = make_video(walker(8))
    features, whole = (given_at(each, path=path) for each in (gap, video))
    lost = ~features.pooled[0, :, 1].any(1)
    assert features.mask[0].all()
    assert lost.tolist() == [False] * 7 + [True] * 2 + [False] * 7
    # Two frames lack it: it lies where it would be between those around them, and nothing vouches for it.
    np.testing.assert_allclose(features.keypoints[..., :2], whole.keypoints[..., :2], atol=1e-5)
    np.testing.assert_array_equal(features.keypoints[0, :, 1, 2] == 0, lost)
    np.testing.assert_array_equal(features.pooled[0, :, 0], whole.pooled[0, :, 0])
    np.testing.assert_allclose(features.pooled[0, ~lost, 1], whole.pooled[0, ~lost, 1], atol=2e-2)


def test_tracks_of_the_file_say_who_is_who(make_video: VideoMaker) -> None:
    """Two people change places between two frames: only the file knows."""
    one = walking_joints(8, 2)
    assert one.box_xyxy_px is not None
    away = np.array([60, 0, 60, 0], "f4")
    two = replace(
        one, joints=one.joints + away[:2], track=np.ones(8, "i8"), box_xyxy_px=one.box_xyxy_px + away
    )
    assert two.box_xyxy_px is not None
    order = np.argsort(np.concatenate([one.frame, two.frame]), kind="stable")
    both = PoseVideo(
        "",
        *(
            np.concatenate([getattr(each, name) for each in (one, two)])[order]
            for name in ("frame", "track", "joints", "joint_score", "score", "box_xyxy_px")
        ),
    )
    late = both.frame >= 4
    swapped = replace(both, track=np.where(late, 1 - both.track, both.track))
    path = make_video(walker(8))
    x = {
        name: given_at(each, path=path).keypoints[0, :, 0, 0]
        for name, each in (("kept", both), ("swapped", swapped))
    }
    assert np.ptp(x["kept"]) < 0.3
    assert np.ptp(x["swapped"]) > 0.9
    unknown = replace(swapped, track=np.full(16, -1))
    np.testing.assert_array_equal(given_at(unknown, path=path).keypoints[0, :, 0, 0], x["kept"])


def test_labels_in_a_few_frames_are_enough(make_video: VideoMaker) -> None:
    video = walking_joints(40, 2)
    rows = np.array([0, 13, 26])
    few = PoseVideo(
        "",
        *(getattr(video, name)[rows] for name in ("frame", "track", "joints", "joint_score", "score")),
        video.box_xyxy_px[rows] if video.box_xyxy_px is not None else None,
    )
    features = given_at(few, options=replace(STEPS, steps=40), path=make_video(walker(40)))
    assert np.flatnonzero(features.mask[0]).tolist() == [0, 13, 26]


def test_heatmaps_are_of_no_joints_of_others(detector: BrightDetector, backbone: AnalyticBackbone) -> None:
    with pytest.raises(HeatpoolError, match="expected --pooling point or gaussian with --keypoints"):
        TopDown(detector, backbone, device="cpu", pooling="heatmap", given_joints=3)
