"""`--keypoints`: joints from files, from the options to the store, and what the commands say of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pipelines.options.networks import KeypointsFormat
from heatpool.pool.exchange.keypoints.detect import PoseFormat
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.pose_files import write_mmpose

FRAMES = 8


@pytest.fixture
def folder(make_video: VideoMaker, tmp_path: Path) -> Path:
    """Three videos of a ramp from dark to bright; a keypoint file each, but for the last."""
    ramp = np.repeat(np.arange(0, 256, 2, dtype=np.uint8)[None, :, None], 96, 0).repeat(3, 2)
    for name in ("a", "b", "c"):
        make_video([ramp] * FRAMES, f"videos/{name}.mp4")
    heatmap_network(tmp_path / "pose.onnx")
    for name in ("a", "b"):
        write_mmpose(tmp_path / f"poses/{name}.json", {frame: [hand(frame)] for frame in range(FRAMES)})
    return tmp_path


def hand(frame: int) -> list[tuple[float, float]]:
    """Five joints, 16 pixels apart from left to right, a pixel further in each frame."""
    return [(24.0 + frame + 16 * joint, 48.0 + (joint % 2)) for joint in range(5)]


def run(
    folder: Path, *more: str, out: str = "x.zarr", keypoints: str = "poses", videos: str = "videos"
) -> int:
    words = "--tap brightness --steps 8 --persons 1 --threads 1 --device cpu --quiet"
    network = ["--backend", "onnx", "--weights", str(folder / "pose.onnx"), *words.split()]
    places = [str(folder / videos), str(folder / out)]
    return main(["extract", *places, "--keypoints", str(folder / keypoints), *network, *more])


def test_maps_are_pooled_at_the_joints_of_the_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    store = FeatureStore.open(folder / "x.zarr")
    assert (store.spec.joints, store.spec.skeleton) == (5, "unnamed5")
    known = {
        key: store.spec.config[key]
        for key in ("keypoints_kind", "keypoints_margin", "min_joint_score", "tracks")
    }
    assert known == {
        "keypoints_kind": "MMPose JSON",
        "keypoints_margin": 0.25,
        "min_joint_score": 0.0,
        "tracks": "file",
    }
    assert [Status(each) for each in store.clips.status] == [Status.OK, Status.OK, Status.NO_PERSON]
    assert store.results([2])[0].reason.endswith("poses has no persons for it")
    joints = store.read(np.arange(2), ("keypoints",))["keypoints"].astype(np.float32)
    wanted = np.array([hand(frame) for frame in range(FRAMES)]) / (64, 48) - 1
    np.testing.assert_allclose(joints[0, 0, ..., :2], wanted, atol=1e-3)
    # The network's map is brightness, by ImageNet's deviation, and rises by 2 of 255 a pixel.
    # A crop of 12 cells is read from the centre of the first to that of the last.
    pooled = store.read(np.arange(2))["pooled"][1, 0, ..., 0].astype(np.float32)
    rise = np.diff(pooled, axis=1)[:, 1:-1]
    np.testing.assert_allclose(rise, 16 * 2 / 255 / 0.226 * 11 / 12, rtol=0.05)
    assert main(["info", str(folder / "x.zarr")]) == 0
    assert "5 joints" in capsys.readouterr().out


def test_the_same_files_resume_and_others_do_not(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder) == 0
    assert run(folder, "--resume") == 0
    write_mmpose(folder / "poses/b.json", {0: [hand(0)], 1: [hand(3)]})
    assert run(folder, "--resume") == 1
    assert "config.keypoints_sha256" in capsys.readouterr().err


def test_clips_are_appended_with_their_own_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, videos="videos/a.mp4") == 0
    write_mmpose(folder / "more/b.json", {frame: [hand(frame)] for frame in range(FRAMES)})
    assert run(folder, "--append", videos="videos/b.mp4", keypoints="more/b.json") == 0
    store = FeatureStore.open(folder / "x.zarr")
    assert [Status(each) for each in store.clips.status] == [Status.OK] * 2
    assert len(set(store.spec.config["keypoints_sha256"])) == 2
    write_mmpose(folder / "fewer/c.json", {0: [hand(0)[:4]], 1: [hand(1)[:4]]})
    assert run(folder, "--append", videos="videos/c.mp4", keypoints="fewer") == 1
    assert "joints: 5 in the store, 4 given" in capsys.readouterr().err


def test_a_dry_run_and_doctor_say_what_fits(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--dry-run") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "poses: MMPose JSON, 5 joints, for 2 of 3 videos"
    assert "poses: no keypoints for 1 of 3 videos, such as c.mp4" in said[:4]
    late = {frame + 1: [hand(frame)] for frame in range(FRAMES)}
    outside = {frame: [[(x + 200, y) for x, y in hand(frame)]] for frame in range(FRAMES)}
    write_mmpose(folder / "late/a.json", {0: [], **late, 20: [hand(1)]})
    write_mmpose(folder / "late/b.json", outside)
    doctor = [
        "doctor",
        str(folder / "videos"),
        "--keypoints",
        str(folder / "late"),
        "--out",
        str(folder / "d.csv"),
    ]
    assert main(doctor) == 3
    found = capsys.readouterr().out
    assert (
        "error: late: 8 persons lie outside the picture and are left out: b.mp4 8 of 8; of 1 none is left"
        in found
    )
    assert "warning: late: 2 persons are of frames that the video does not have: a.mp4 2 of 9" in found


def test_keypoints_of_no_video_end_the_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_mmpose(folder / "other/x.json", {0: [hand(0)]})
    assert run(folder, keypoints="other") == 1
    assert "expected keypoints for the videos in" in capsys.readouterr().err


def test_joints_in_space_and_damage_end_a_clip_with_the_reason(folder: Path) -> None:
    spatial = {"keypoints": [[1, 2, 3]] * 2, "keypoint_scores": [1, 1]}
    (folder / "poses/a.json").write_text(json.dumps([{"frame_id": 0, "instances": [spatial]}]))
    (folder / "poses/b.json").write_text(json.dumps([{"frame_id": 0, "instances": [{"keypoints": 7}]}]))
    assert run(folder) == 1
    reasons = [each.reason for each in FeatureStore.open(folder / "x.zarr").results([0, 1])]
    assert "expected joints in the picture, got joints in space for a" in reasons[0]
    assert "b.json" in reasons[1]


def test_options_that_cannot_be(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for more, message in (
        (("--boxes", "b.csv"), "expected --keypoints or --boxes, got both"),
        (("--detector", "full-frame"), "expected --keypoints without --detector full-frame"),
    ):
        with pytest.raises(SystemExit):
            run(folder, *more)
        assert message in capsys.readouterr().err
    assert run(folder, "--pooling", "heatmap") == 1
    assert "expected --pooling point or gaussian with --keypoints" in capsys.readouterr().err


def test_a_skeleton_names_the_joints_of_the_files(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["wrist", "thumb", "index", "middle", "ring"]
    (folder / "hand.yaml").write_text(f"joints: {names}\nedges: [[wrist, thumb]]\n")
    assert run(folder, "--skeleton", str(folder / "hand.yaml")) == 0
    assert FeatureStore.open(folder / "x.zarr").spec.joint_names == tuple(names)
    (folder / "hand.yaml").write_text("joints: [wrist, thumb]\n")
    assert run(folder, "--skeleton", str(folder / "hand.yaml"), out="y.zarr") == 1
    assert "expected the given 5 joints in" in capsys.readouterr().err


def test_formats_of_the_options_are_those_of_joints_in_the_picture() -> None:
    spatial = {"mediapipe-world", "ntu", "ctrgcn"}
    assert set(get_args(KeypointsFormat)) == {*get_args(PoseFormat)} - spatial


def test_given_joints_are_drawn(folder: Path) -> None:
    network = ["--backend", "onnx", "--weights", str(folder / "pose.onnx"), "--tap", "brightness"]
    sheets = []
    for name, poses in (("own", []), ("given", ["--keypoints", str(folder / "poses")])):
        sheet = folder / f"{name}.png"
        detector = [] if poses else ["--detector", "full-frame"]
        places = [str(folder / "videos/a.mp4"), "--sheet", str(sheet), "--device", "cpu", "--threads", "1"]
        assert main(["visualize", *places, *network, *detector, *poses]) == 0
        sheets.append(cv2.imread(str(sheet)))
    assert sheets[0].shape != sheets[1].shape or (sheets[0] != sheets[1]).any()


def test_predictions_are_made_at_joints_from_a_file_too(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"videos/{name}.mp4,{name},{'ud'[name in 'bd']},train" for name in "abde"]
    rows.append("videos/c.mp4,c,u,test")
    (folder / "clips.csv").write_text("\n".join(["path,clip_id,class_name,split", *rows]) + "\n")
    for name in "cde":
        shutil.copyfile(folder / "poses/a.json", folder / f"poses/{name}.json")
        shutil.copyfile(folder / "videos/a.mp4", folder / f"videos/{name}.mp4")
    assert run(folder, videos="clips.csv") == 0
    train = ["train", str(folder / "x.zarr"), "--out", str(folder / "run"), "--protocol", "split"]
    assert main([*train, "--model", "linear", "--epochs", "1", "--device", "cpu", "--quiet"]) == 0
    predict = [
        "predict",
        "--run",
        str(folder / "run"),
        str(folder / "videos/a.mp4"),
        "--device",
        "cpu",
        "--quiet",
    ]
    capsys.readouterr()
    assert main(predict) == 1
    assert "expected --keypoints for these videos" in capsys.readouterr().err
    assert main([*predict, "--keypoints", str(folder / "poses/a.json")]) == 0
    assert "a.mp4" in capsys.readouterr().out


def test_options_say_how_persons_are_made_of_joints(tmp_path: Path) -> None:
    write_mmpose(tmp_path / "a.json", {1: [[(0, 0), (10, 20), (90, 90)]]}, scores=[1, 1, 0.2])
    manifest = Manifest((Clip("a", tmp_path / "a.mp4"),), (), tmp_path)

    def box(**options: object) -> list[float]:
        given = read_given(NetworkOptions(keypoints=tmp_path / "a.json", **options), manifest)  # type: ignore[arg-type]
        assert given is not None
        video = given.of_clip(0)
        assert video.box_xyxy_px is not None
        return [*video.frame.tolist(), *video.box_xyxy_px[0].tolist()]

    assert box() == [0, -1.25, -2.5, 11.25, 22.5]  # joints of a score below 0.3 do not count, if others do
    assert box(keypoints_margin=0.0) == [0, 0, 0, 10, 20]
    assert box(keypoints_margin=0.0, min_joint_score=0.1) == [0, 0, 0, 10, 20]
    assert ExtractOptions(keypoints=tmp_path / "a.json").tracks == "file"
