"""Every backend from the command line to the store, through the code that loads real checkpoints."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.records import Frame
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.backends import build_detector
from heatpool.pipelines.options import NetworkOptions
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.torchvision_shim import install


def noise(count: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(count)]


def extract(tmp_path: Path, *options: str | Path, out: str = "x.zarr") -> FeatureStore:
    arguments = [
        "extract", "--videos", tmp_path / "videos", "--out", tmp_path / out,
        "--steps", "4", "--device", "cpu",
        "--threads", "1", "--quiet", *options,
    ]  # fmt: skip
    assert main([str(argument) for argument in arguments]) == 0
    return FeatureStore.open(tmp_path / out)


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    for number in range(4):
        make_video(noise(6 + number, number), f"videos/{number}.mp4")
    return tmp_path / "videos"


def test_yolo_pose(videos: Path, tmp_path: Path) -> None:
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(0)
    model = PoseModel("yolo11n-pose.yaml", nc=1, verbose=False)
    model.names = {0: "person"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "pose.pt")
    weights = ["--weights", tmp_path / "pose.pt", "--min-score", "1e-6", "--person-selection", "first"]
    store = extract(tmp_path, "--backend", "yolo-pose", *weights, "--tap", "p3,p4")
    assert (store.spec.backbone, store.spec.tap, store.spec.channels) == ("yolo-pose", "p3+p4", 64 + 128)
    assert store.spec.weights_sha256 == hashlib.sha256((tmp_path / "pose.pt").read_bytes()).hexdigest()
    assert (store.clips.status == Status.OK).all()
    assert np.abs(store.read(np.arange(4))["pooled"]).max() > 0


def test_taps_of_the_tiny_network_and_the_means_of_their_maps(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["--backend", "tiny", "--detector", "full-frame"]
    alone = extract(tmp_path, *tiny, out="alone.zarr")
    several = ["--tap", "stages.1.branches.0,stages.1.branches.1", "--map-mean"]
    both = extract(tmp_path, *tiny, *several, out="both.zarr")
    assert alone.spec.tap_channels == (64,)
    assert both.spec.tap_names == ("stages.1.branches.0", "stages.1.branches.1")
    assert both.spec.tap_channels == (32, 64)
    pooled = both.read(np.arange(4))["pooled"]
    np.testing.assert_array_equal(pooled[..., 32:], alone.read(np.arange(4))["pooled"])
    means = both.read(np.arange(4), ("map_mean",))["map_mean"]
    assert means.shape == (*pooled.shape[:3], 96)
    assert (means[:, 0] > 0).any((0, 1)).sum() > 48  # most channels say something
    assert not means[:, 1].any()  # nobody is in the second slot
    again = extract(tmp_path, *tiny, *several, "--resume", out="both.zarr")
    np.testing.assert_array_equal(again.read(np.arange(4), ("map_mean",))["map_mean"], means)
    small = extract(tmp_path, *tiny, *several, "--precision", "u1", out="small.zarr")
    np.testing.assert_array_equal(small.read(np.arange(4), ("map_mean",))["map_mean"], means)
    assert main(["info", str(both.path)]) == 0
    said = capsys.readouterr().out
    assert "stages.1.branches.0 (32 channels) + stages.1.branches.1 (64 channels)" in said
    assert re.search(r"^map means +96 channels$", said, re.MULTILINE)


def test_vitpose_with_a_detector_by_checkpoint(videos: Path, tmp_path: Path) -> None:
    install()
    transformers = pytest.importorskip("transformers")
    from ultralytics.nn.tasks import DetectionModel

    backbone = transformers.VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        out_features=["stage2"],
    )  # fmt: skip
    config = transformers.VitPoseConfig(backbone_config=backbone, num_labels=17)
    transformers.VitPoseForPoseEstimation(config).save_pretrained(tmp_path / "vit")
    torch.manual_seed(0)
    detector = DetectionModel("yolo11n.yaml", nc=1, verbose=False)
    detector.names = {0: "person"}
    torch.save({"model": detector, "train_args": {}}, tmp_path / "detect.pt")
    options = ["--backend", "vitpose", "--weights", tmp_path / "vit", "--detector", tmp_path / "detect.pt"]
    store = extract(
        tmp_path,
        *options,
        "--min-score",
        "1e-7",
        "--person-selection",
        "first",
        "--pooling",
        "heatmap",
        "--tap",
        "layer1,last",
    )
    assert (store.spec.tap, store.spec.channels) == ("layer1+last", 48)
    assert (store.clips.status == Status.OK).all()


def test_hrnet_by_the_authors_kind_of_checkpoint(make_video: VideoMaker, tmp_path: Path) -> None:
    make_video(noise(2), "videos/0.mp4")
    torch.manual_seed(0)
    torch.save({"state_dict": HRNetSimCC(32).state_dict()}, tmp_path / "hrnet.pth")
    options = ["--backend", "hrnet-simcc", "--weights", tmp_path / "hrnet.pth", "--detector", "full-frame"]
    for more in ([], ["--as-published"]):
        store = extract(tmp_path, *options, "--persons", "1", *more, out=f"{len(more)}.zarr")
        assert (store.spec.tap, store.spec.channels, store.spec.joints) == ("stage4_branch1", 64, 17)
        assert store.spec.config["batchnorm"] == ("published" if more else "eval")


@pytest.fixture
def plain(videos: Path, tmp_path: Path) -> list[str | Path]:
    network = heatmap_network(tmp_path / "pose.onnx")
    return ["--backend", "onnx", "--weights", network, "--tap", "brightness", "--detector", "full-frame"]


def test_workers_give_the_bytes_of_the_plain_loop(plain: list[str | Path], tmp_path: Path) -> None:
    one = extract(tmp_path, *plain, "--shard-clips", "1", out="one.zarr")
    two = extract(tmp_path, *plain, "--shard-clips", "1", "--workers", "2", out="two.zarr")
    for name in one.layout.features:
        files = [sorted((store.path / name).glob("c.*")) for store in (one, two)]
        assert [path.name for path in files[0]] == [path.name for path in files[1]]
        assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    assert np.array_equal(one.clips.status, two.clips.status)


def test_windows_become_clips(plain: list[str | Path], tmp_path: Path) -> None:
    store = extract(
        tmp_path, *plain, "--window-s", "0.16", "--stride-s", "0.08"
    )  # 4 frames, every 2 of 25 a second
    assert store.clips.index.clip_id[:2] == ("0@0.00-0.16", "0@0.08-0.24")
    assert set(store.clips.frames.tolist()) <= {4, 5}
    assert (store.clips.status == Status.OK).all()


def test_other_frames_need_another_store(
    plain: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extract(tmp_path, *plain, "--frame-stride", "2")
    places = ["--videos", tmp_path / "videos", "--out", tmp_path / "x.zarr"]
    options = [*places, "--steps", "4", *plain, "--device", "cpu", "--resume"]
    assert main(["extract", *map(str, options)]) == 1
    assert "frame_stride" in capsys.readouterr().err


@pytest.mark.parametrize("pooling", ["gaussian", "heatmap"])
def test_pooling_around_the_joint_differs_from_pooling_at_it(
    plain: list[str | Path], tmp_path: Path, pooling: str
) -> None:
    at = extract(tmp_path, *plain, out="at.zarr").read(np.arange(4))["pooled"].astype(np.float32)
    around = extract(tmp_path, *plain, "--pooling", pooling).read(np.arange(4))["pooled"].astype(np.float32)
    assert not np.allclose(at, around, atol=1e-3)
    assert np.isfinite(around).all()


def test_min_score_holds_for_a_file_of_boxes_too(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("path,frame,x1,y1,x2,y2,score\na.mp4,0,0,0,9,9,0.6\na.mp4,0,0,0,8,8,0.4\n")
    options = NetworkOptions(detector="boxes-file", boxes=boxes, min_score=0.5)
    manifest = Manifest((Clip("a", tmp_path / "a.mp4"),), (), tmp_path)
    detector = build_detector(options, manifest, device=torch.device("cpu"))
    (found,) = detector.detect([Frame(0, 0, 0.0, np.zeros((9, 9, 3), np.uint8))])
    assert found.scores.tolist() == [np.float32(0.6)]
