from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.yolo_parity import compare, random_network
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import OneStage
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.skeleton import COCO17_SKELETON, Skeleton
from tests.conftest import VideoMaker, gray_frames

NARROW = {"scales": {"n": [0.33, 0.125, 256]}}  # depth, width and most channels: a fraction of the official


HEADS = ["yolo11n-pose.yaml", "yolo26n-pose.yaml", "yolo26n-pose.yaml, end to end"]


@pytest.fixture(scope="module", params=HEADS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow pose network of each generation and head with random weights, saved as ultralytics' own."""
    config, _, head = request.param.partition(", ")
    path = tmp_path_factory.mktemp("yolo") / "pose.pt"
    return random_network(config, path, raised=-1, end2end=bool(head), **NARROW)


def frame(seed: int = 0, *, height: int = 96, width: int = 128) -> Frame:
    rgb = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Frame(0, 0, 0.0, rgb)


def build(checkpoint: Path, **options: object) -> YoloPose:
    return YoloPose(load_ultralytics(checkpoint), image_px=128, **options)  # type: ignore[arg-type]


def test_boxes_joints_and_features_come_from_one_pass(checkpoint: Path) -> None:
    backbone = build(checkpoint, taps=("p3", "p5"))
    people = backbone.estimate([frame()])[0]
    count = len(people.detections)
    assert count
    assert people.joints_xy_px.shape == (count, 17, 2)
    assert people.pooled.shape == (count, 17, backbone.channels)
    one, two = (build(checkpoint, taps=(tap,)) for tap in ("p3", "p5"))
    assert one.channels + two.channels == backbone.channels
    np.testing.assert_allclose(
        one.estimate([frame()])[0].pooled, people.pooled[..., : one.channels], atol=1e-5
    )


def test_maps_are_averaged_over_the_boxes(checkpoint: Path) -> None:
    """The frame is the network's input, so a cell of p3 is 8 of its pixels wide, one of p5 32."""
    backbone = build(checkpoint, taps=("p3", "p5"))
    assert len(backbone.tap_channels) == 2
    people = backbone.estimate([frame()])[0]
    # whole pixels, against every pixel's own cell
    boxes = people.detections.boxes_xyxy_px.astype(int).tolist()
    first = 0
    for layer, stride, channels in zip(backbone._layers, (8, 32), backbone.tap_channels, strict=True):
        features = backbone._maps[layer][0].numpy()
        pixels = features.repeat(stride, 1).repeat(stride, 2)
        wanted = [
            pixels[:, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)].mean((1, 2)) for x1, y1, x2, y2 in boxes
        ]
        got = people.map_mean[:, first : first + channels]
        spread = features.std()
        assert np.abs(got - wanted).mean() < 0.1 * spread  # boxes have fractions of pixels
        first += channels
    assert first == backbone.channels


def test_frames_without_anybody_are_empty(checkpoint: Path) -> None:
    backbone = YoloPose(load_ultralytics(checkpoint), image_px=128, min_score=0.999)
    people = backbone.estimate([frame(), frame(1)])[1]
    assert len(people.detections) == 0
    assert people.joints_xy_px.shape == (0, 17, 2)
    assert people.pooled.shape == (0, 17, backbone.channels)
    assert people.map_mean.shape == (0, backbone.channels)


def test_frames_do_not_disturb_each_other(checkpoint: Path) -> None:
    backbone = build(checkpoint)
    frames = [frame(0), frame(1, height=64), frame(2)]
    together = backbone.estimate(frames)
    for each, people in zip(frames, together, strict=True):
        alone = backbone.estimate([each])[0]
        np.testing.assert_allclose(alone.detections.scores, people.detections.scores, atol=1e-5)


def test_lower_precision_keeps_the_head_exact(checkpoint: Path) -> None:
    exact, rough = build(checkpoint), build(checkpoint, dtype=torch.bfloat16)
    maps = []
    for backbone in (exact, rough):
        people = backbone.estimate([frame()])[0]
        assert people.pooled.dtype == np.float32
        maps.append(backbone._maps[backbone._layers[0]])
    assert maps[1].dtype == torch.bfloat16
    assert 0 < (maps[1].float() - maps[0]).abs().max() < 0.05 * maps[0].abs().max()
    # bfloat16 has steps of half a pixel at 64 and more: all boxes on such steps would be rounded ones.
    assert (people.detections.boxes_xyxy_px % 0.5 != 0).any()


class CellCentres:
    """Stands for a tapped map whose cells hold their own centres in input pixels."""

    def __init__(self, backbone: YoloPose, stride: int) -> None:
        self.backbone, self.layer, self.stride = backbone, backbone._layers[0], stride
        backbone._network.model.model[self.layer].register_forward_hook(self)

    def __call__(self, module: object, inputs: object, output: torch.Tensor) -> None:
        height, width = output.shape[2:]
        x = ((torch.arange(width) + 0.5) * self.stride).expand(height, width)
        y = ((torch.arange(height) + 0.5) * self.stride)[:, None].expand(height, width)
        self.backbone._maps[self.layer] = torch.stack([x, y]).expand(len(output), 2, height, width)


@pytest.mark.parametrize(("tap", "stride"), [("p3", 8), ("p4", 16), ("p5", 32)])
def test_features_are_read_where_the_joints_are(checkpoint: Path, tap: str, stride: int) -> None:
    """Pooling gives the joints back, but for those in the outer half of the outermost cells."""
    backbone = build(checkpoint, taps=(tap,))
    CellCentres(backbone, stride)
    people = backbone.estimate([frame()])[0]  # 128 x 96 enters as it is
    joints = people.joints_xy_px
    outer = [stride / 2, 128 - stride / 2], [stride / 2, 96 - stride / 2]
    nearest = np.stack([joints[..., axis].clip(*outer[axis]) for axis in (0, 1)], -1)
    assert (nearest != joints).any()
    assert (nearest == joints).all(-1).any()
    np.testing.assert_allclose(people.pooled, nearest, atol=2e-3)


def test_features_of_a_padded_frame_are_read_inside_the_frame(checkpoint: Path) -> None:
    """A frame of 160 x 60 enters as 128 x 48 with 8 rows of grey above and below."""
    backbone = build(checkpoint)
    CellCentres(backbone, 8)
    people = backbone.estimate([frame(height=60, width=160)])[0]
    in_input = people.joints_xy_px * 0.8 + [0, 8]
    np.testing.assert_allclose(people.pooled, in_input.clip(4, [124, 60]), atol=2e-3)
    assert (in_input[..., 1] == 8).any()  # joints above the frame are given, and read, at its edge


def rounding_px() -> float:
    """How far `predict` is off where a side is rounded: early ultralytics 8.4 scaled both sides alike."""
    from ultralytics.utils.ops import scale_boxes

    (box,) = scale_boxes((128, 64), torch.tensor([[4.0, 0, 31.5, 128]]), (211, 90))
    return 0.01 if box.tolist() == pytest.approx([0, 0, 45, 211], abs=1e-3) else 1.0


def test_boxes_joints_and_scores_are_those_of_ultralytics_own_predict(checkpoint: Path) -> None:
    """On frames that are enlarged, reduced, padded by odd numbers, and whose sides are rounded."""
    for height, width, tolerance_px in ((32, 64, 0.01), (97, 131, rounding_px()), (211, 90, rounding_px())):
        seen = compare(checkpoint, [frame(height=height, width=width).rgb], image_px=128)
        assert len(seen.scores) > 5
        assert seen.unmatched == 0
        assert max(seen.joints_px.max(), seen.boxes_px.max()) < tolerance_px
        assert max(seen.scores.max(), seen.joint_scores.max()) < 1e-4


def test_size_and_overlap_that_are_given_are_those_of_predict(tmp_path: Path) -> None:
    """A rectangle is filled as `imgsz=(height, width)` is; sides that are no multiples of the stride grow."""
    checkpoint = random_network(HEADS[0], tmp_path / "pose.pt", raised=-1, **NARROW)
    image = frame(height=97, width=131).rgb
    found = []
    for image_px, max_iou in (((64, 160), 0.9), ((70, 100), 0.5), (96, 0.1)):
        seen = compare(checkpoint, [image], image_px=image_px, max_iou=max_iou)
        found.append(len(seen.scores))
        assert seen.unmatched == 0
        assert max(seen.joints_px.max(), seen.boxes_px.max()) < rounding_px()
    assert found == sorted(found, reverse=True)
    assert found[0] > 2 * found[2] > 5


def test_a_network_of_four_levels_pads_to_its_stride_and_is_still_that_of_predict(tmp_path: Path) -> None:
    narrow = {"scales": {"n": [0.33, 0.0625, 128]}}
    path = random_network("yolov8n-pose-p6.yaml", tmp_path / "p6.pt", raised=0.5, **narrow)
    backbone = YoloPose(load_ultralytics(path), taps=("p3", "p6"), image_px=128)
    backbone.estimate([frame(height=60, width=160)])
    assert [backbone._maps[layer].shape[2:] for layer in backbone._layers] == [(8, 16), (1, 2)]
    seen = compare(path, [frame(height=60, width=160).rgb], image_px=128)
    assert len(seen.scores) > 5
    assert seen.unmatched == 0
    assert seen.joints_px.max() < 0.01


@pytest.fixture(scope="module")
def one_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of them, for what all have in common."""
    return random_network(HEADS[0], tmp_path_factory.mktemp("yolo") / "pose.pt", **NARROW)


def test_the_input_is_as_large_as_in_training(one_checkpoint: Path, tmp_path: Path) -> None:
    """As in `YOLO.predict`: the official P6 networks are of 1280 pixels."""
    assert load_ultralytics(one_checkpoint).image_px == 640
    content = torch.load(one_checkpoint, weights_only=False)
    for asked, taken in ((1280, 1280), (70, 96), ([384, 640], 640)):
        torch.save({**content, "train_args": {"imgsz": asked}}, tmp_path / "sized.pt")
        assert load_ultralytics(tmp_path / "sized.pt").image_px == taken
    torch.save({**content, "train_args": {"imgsz": 10**6}}, tmp_path / "sized.pt")
    with pytest.raises(HeatpoolError, match="expected imgsz of 32 to 8192 pixels"):
        load_ultralytics(tmp_path / "sized.pt")


@pytest.mark.parametrize(
    ("names", "kpt_shape", "persons", "skeleton"),
    [
        ({0: "person"}, (17, 3), (0,), COCO17_SKELETON),
        ({0: "car", 1: "Person"}, (17, 3), (1,), COCO17_SKELETON),
        ({0: "dog", 1: "person", 2: " PERSON "}, (17, 2), (1, 2), COCO17_SKELETON),
        ({0: "racket"}, (4, 3), (0,), Skeleton.unnamed(4)),
        ({0: "cat", 1: "dog"}, (17, 3), (0, 1), Skeleton.unnamed(17)),
        ({0: "animal"}, (17, 3), (0,), Skeleton.unnamed(17)),  # AP-10K's 17 joints are no person's
    ],
)
def test_classes_and_joints_are_as_they_are(
    tmp_path: Path,
    names: dict[int, str],
    kpt_shape: tuple[int, int],
    persons: tuple[int, ...],
    skeleton: Skeleton,
) -> None:
    changes = {"names": names, "kpt_shape": list(kpt_shape), **NARROW}
    raised = [2.0 * (number in persons) for number in names]
    path = random_network("yolo11n-pose.yaml", tmp_path / "pose.pt", raised=raised, **changes)
    loaded = load_ultralytics(path)
    assert (loaded.person_classes, loaded.skeleton) == (persons, skeleton)
    backbone = YoloPose(loaded, image_px=64)
    (people,) = backbone.estimate([frame(height=64, width=64)])
    assert backbone.skeleton == skeleton
    assert len(people.detections)
    assert people.joints_xy_px.shape[1:] == (kpt_shape[0], 2)
    if kpt_shape[1] == 2:  # such networks say nothing of their joints' certainty
        assert (people.scores == 1).all()
    else:
        assert len(np.unique(people.scores)) > 1


def test_the_names_of_the_joints_are_the_networks(one_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(one_checkpoint, weights_only=False)
    content["model"].kpt_names = {0: [f"point {number}" for number in range(17)]}
    torch.save(content, tmp_path / "named.pt")
    skeleton = load_ultralytics(tmp_path / "named.pt").skeleton
    assert skeleton == Skeleton("joints17", tuple(f"point_{number}" for number in range(17)))


def test_a_clip_goes_through_the_engine(checkpoint: Path, make_video: VideoMaker) -> None:
    backbone = build(checkpoint)
    frames = [np.random.default_rng(at).integers(0, 255, (96, 128, 3), dtype=np.uint8) for at in range(6)]
    options = EngineOptions(persons=2, steps=4)
    jobs = [ClipJob(0, make_video(frames)), ClipJob(1, make_video(gray_frames(5), "b.mp4"))]
    outcomes = extract_clips(jobs, options, estimator=OneStage(backbone))
    assert outcomes[0].result.status in (Status.OK, Status.NO_PERSON)
    for outcome in outcomes:
        if outcome.features is not None:
            assert outcome.features.pooled.shape == (2, 4, 17, backbone.channels)


def test_a_map_that_overflows_fails_its_clip_and_no_other(
    one_checkpoint: Path, make_video: VideoMaker
) -> None:
    backbone = build(one_checkpoint)

    def overflow(module: object, inputs: object, output: torch.Tensor) -> None:
        backbone._maps[backbone._layers[0]] = output.masked_fill(output == output.max(), torch.inf)

    backbone._network.model.model[backbone._layers[0]].register_forward_hook(overflow)
    frames = [np.random.default_rng(at).integers(0, 255, (96, 128, 3), dtype=np.uint8) for at in range(4)]
    options = EngineOptions(persons=1, steps=4)
    (outcome,) = extract_clips([ClipJob(0, make_video(frames))], options, estimator=OneStage(backbone))
    assert outcome.result.status == Status.FAILED
    assert "values that are not finite" in outcome.result.reason


def test_an_unknown_level_is_named(one_checkpoint: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected --tap out of p3, p4, p5, got p9"):
        build(one_checkpoint, taps=("p9",))


def test_a_detector_has_no_joints(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel("yolo11n.yaml", verbose=False)
    model.names = {0: "person", 1: "bicycle"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "detect.pt")
    loaded = load_ultralytics(tmp_path / "detect.pt")
    assert (loaded.person_classes, loaded.joints) == ((0,), 0)
    with pytest.raises(HeatpoolError, match="has no joints"):
        YoloPose(loaded)
    model.names = {0: "cat", 1: "dog"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "cats.pt")
    with pytest.raises(HeatpoolError, match="expected a class 'person' in .*, got cat, dog"):
        load_ultralytics(tmp_path / "cats.pt")


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ("yolo11n-seg.yaml", "SegmentationModel"),
        ("yolo11n-obb.yaml", "OBBModel"),
        ("yolo11n-cls.yaml", "ClassificationModel"),
    ],
)
def test_checkpoints_of_other_tasks_are_named_and_refused(tmp_path: Path, config: str, kind: str) -> None:
    """Some derive from the detection model, and what they predict would be taken for its boxes."""
    from ultralytics.nn import tasks

    narrow = tasks.yaml_model_load(config) | NARROW
    torch.save({"model": getattr(tasks, kind)(narrow, nc=1, verbose=False)}, tmp_path / "other.pt")
    with pytest.raises(HeatpoolError, match=f"expected a detect or pose checkpoint .* got {kind}; take"):
        load_ultralytics(tmp_path / "other.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"conv.weight": torch.zeros(1)}, "got entries .'conv.weight'."),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull gets it"),
        (b"<!doctype html>", "is a web page"),
        (b"", "is empty"),
    ],
)
def test_a_file_that_is_no_checkpoint_is_said_to_be_what_it_is(
    tmp_path: Path, content: object, message: str
) -> None:
    path = tmp_path / "pose.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(HeatpoolError, match=message) as caught:
        load_ultralytics(path)
    assert "\n" not in str(caught.value)


def test_names_of_classes_may_be_a_list(one_checkpoint: Path, tmp_path: Path) -> None:
    content = torch.load(one_checkpoint, weights_only=False)
    content["model"].names = ["ball", "Person"]
    torch.save(content, tmp_path / "listed.pt")
    assert load_ultralytics(tmp_path / "listed.pt").person_classes == (1,)


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


@pytest.mark.parametrize("kind", ["missing", "folder", "text", "evil"])
def test_what_is_no_checkpoint_is_refused_and_never_run(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pt"
    if kind == "folder":
        path.mkdir()
    if kind == "text":
        path.write_text("no checkpoint")
    if kind == "evil":
        path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(HeatpoolError, match="cannot load") as caught:
        load_ultralytics(path)
    assert "\n" not in str(caught.value)
    assert ("it is a folder" in str(caught.value)) == (kind == "folder")
    assert "never run" not in capsys.readouterr().out
