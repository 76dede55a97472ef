"""Every backend from the command line to the store, through the code that loads real checkpoints."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from benchmarks.yolo_parity import random_network
from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.networks.detectors import detect_frames
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.records import Frame
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.backends import build_backbone, build_detector
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.options import NetworkOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import changed, constant_network, heatmap_network
from tests.fixtures.small_weights import NARROW_YOLO
from tests.fixtures.torchvision_shim import install
from tests.pool.store.store_cases import tree_bytes


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
    path = random_network("yolo11n-pose.yaml", tmp_path / "pose.pt", raised=1, image_px=128, **NARROW_YOLO)
    weights = ["--weights", path, "--person-selection", "first"]
    store = extract(tmp_path, "--backend", "yolo-pose", *weights, "--tap", "p3,p4")
    assert (store.spec.backbone, store.spec.tap, store.spec.channels) == ("yolo-pose", "p3+p4", 32 + 32)
    assert store.spec.weights_sha256 == hashlib.sha256((tmp_path / "pose.pt").read_bytes()).hexdigest()
    assert (store.clips.status == Status.OK).all()
    pooled = store.read(np.arange(4))["pooled"]
    assert np.abs(pooled).max() > 0
    assert not {"imgsz", "iou"} & set(store.spec.config)  # a store of before has none of them
    given = ["--imgsz", "64,96", "--iou", "0.6"]
    other = extract(tmp_path, "--backend", "yolo-pose", *weights, "--tap", "p3,p4", *given, out="other.zarr")
    assert (other.spec.config["imgsz"], other.spec.config["iou"]) == ([64, 96], 0.6)
    assert np.abs(other.read(np.arange(4))["pooled"] - pooled).max() > 0


@pytest.mark.parametrize("detector", ["full-frame", "tiny"])
def test_only_yolo_networks_have_a_size_to_give(detector: str) -> None:
    options = NetworkOptions(detector=detector, imgsz=(640,))
    with pytest.raises(
        HeatpoolError, match=f"expected --imgsz with a YOLO network only, got --detector {detector}"
    ):
        build_detector(options, None, device=torch.device("cpu"))


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
    torch.save({"model": detector, "train_args": {"imgsz": 64}}, tmp_path / "detect.pt")
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
        files = [tree_bytes(store.path / name) for store in (one, two)]
        assert files[0] == files[1]
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


def test_a_clip_that_overflows_the_network_fails_alone(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """White is 2.4 to the network, four times that in the last channel of its map."""

    def lose_large_values(model: onnx.ModelProto) -> None:
        for name, value in (("most", 5), ("lost", np.nan)):
            model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([value]), name))
        model.graph.node.append(onnx.helper.make_node("Greater", ["brightness", "most"], ["is_large"]))
        model.graph.node.append(onnx.helper.make_node("Where", ["is_large", "lost", "brightness"], ["map"]))

    network = changed(heatmap_network(tmp_path / "pose.onnx"), lose_large_values)
    for name, grey in (("grey", 110), ("white", 255)):
        make_video([np.full((96, 128, 3), grey, np.uint8)] * 4, f"videos/{name}.mp4")
    options = f"--backend onnx --weights {network} --tap map --detector full-frame --steps 4 --threads 1"
    arguments = ["extract", tmp_path / "videos", tmp_path / "x.zarr", *options.split(), "--device", "cpu"]
    assert main([str(each) for each in arguments]) == 3
    store = FeatureStore.open(tmp_path / "x.zarr")
    assert [Status(each) for each in store.clips.status] == [Status.OK, Status.FAILED]
    assert "values that are not finite" in store.results(np.array([1]))[0].reason


@pytest.mark.parametrize("pooling", ["gaussian", "heatmap"])
def test_pooling_around_the_joint_differs_from_pooling_at_it(
    plain: list[str | Path], tmp_path: Path, pooling: str
) -> None:
    at = extract(tmp_path, *plain, out="at.zarr").read(np.arange(4))["pooled"].astype(np.float32)
    around = extract(tmp_path, *plain, "--pooling", pooling).read(np.arange(4))["pooled"].astype(np.float32)
    assert not np.allclose(at, around, atol=1e-3)
    assert np.isfinite(around).all()


def test_an_onnx_detector_finds_the_persons(videos: Path, tmp_path: Path) -> None:
    """Its one person fills the left half of each 128 x 96 frame: of 64 x 64, columns to 32, rows 8 to 56."""
    rows = np.zeros((1, 300, 6))
    rows[0, 0] = 0, 8, 32, 56, 0.9, 0
    detector = constant_network(tmp_path / "person.onnx", {"output0": rows})
    network = heatmap_network(tmp_path / "pose.onnx")
    pose = ["--backend", "onnx", "--weights", network, "--tap", "brightness"]
    store = extract(tmp_path, *pose, "--detector", detector)
    assert store.spec.config["detector"] == "person.onnx"
    boxes = store.read(np.arange(4), ("boxes",))["boxes"]
    np.testing.assert_allclose(boxes[:, 0], np.broadcast_to([0, 0, 0.5, 1], (4, 4, 4)), atol=1e-3)
    assert not boxes[:, 1].any()


def test_what_is_given_of_an_onnx_networks_input_is_recorded_and_nothing_else(
    plain: list[str | Path], tmp_path: Path
) -> None:
    usual = extract(tmp_path, *plain)
    assert not [key for key in usual.spec.config if key.startswith("onnx_")]
    given = ["--onnx-mean", "127,127,127", "--onnx-scale", "255", "--onnx-alignment", "centre"]
    store = extract(tmp_path, *plain, *given, out="other.zarr")
    told = {key: value for key, value in store.spec.config.items() if key.startswith("onnx_")}
    assert told == {"onnx_mean": [127, 127, 127], "onnx_scale": "255", "onnx_alignment": "centre"}
    pooled = [each.read(np.arange(4))["pooled"].astype(np.float32) for each in (usual, store)]
    assert not np.allclose(*pooled, atol=1e-2)
    extract(tmp_path, *plain, *given, "--resume", out="other.zarr")


def test_the_skeleton_is_the_networks_or_that_of_a_file(
    plain: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert extract(tmp_path, *plain).spec.graph == COCO17_SKELETON
    names = [f"point{number}" for number in range(17)]
    chain = tmp_path / "chain.yaml"
    chain.write_text(f"joints: {names}\nedges: [[point0, point1], [1, 2]]\n")
    store = extract(tmp_path, *plain, "--skeleton", chain, out="named.zarr")
    assert store.spec.graph == Skeleton("chain", tuple(names), ((0, 1), (1, 2)))
    chain.write_text("joints: [a, b]\nedges: [[a, b]]\n")
    places = ["--videos", tmp_path / "videos", "--out", tmp_path / "x2.zarr", "--skeleton", chain]
    assert main([str(each) for each in ("extract", *places, *plain, "--device", "cpu")]) == 1
    assert "expected the network's 17 joints" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detector": "onnx"}, "expected the file of the detector, --detector person.onnx"),
        ({"detector": "none.onnx"}, "expected an ONNX file, cannot read none.onnx"),
    ],
)
def test_an_onnx_detector_needs_its_file(options: dict[str, str], message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        build_detector(NetworkOptions(**options), None, device=torch.device("cpu"))  # type: ignore[arg-type]


def test_the_input_of_onnx_networks_is_of_no_other() -> None:
    options = NetworkOptions(backend="tiny", onnx_scale="255")
    with pytest.raises(HeatpoolError, match="expected --onnx-scale with --backend onnx only"):
        build_backbone(options, device=torch.device("cpu"))


def test_min_score_holds_for_a_file_of_boxes_too(tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("path,frame,x1,y1,x2,y2,score\na.mp4,0,0,0,9,9,0.6\na.mp4,0,0,0,8,8,0.4\n")
    options = NetworkOptions(detector="boxes-file", boxes=boxes, min_score=0.5)
    manifest = Manifest((Clip("a", tmp_path / "a.mp4"),), (), tmp_path)
    detector = build_detector(options, read_given(options, manifest), device=torch.device("cpu"))
    (found,) = detect_frames(detector, [Frame(0, 0, 0.0, np.zeros((9, 9, 3), np.uint8))])
    assert found.scores.tolist() == [np.float32(0.6)]
