from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.yolo_parity import compare, random_network
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import OneStage
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, FramePersons
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.small_weights import NARROW_YOLO

HEADS = ["yolo11n-pose.yaml", "yolo26n-pose.yaml", "yolo26n-pose.yaml, end to end"]


@pytest.fixture(scope="module", params=HEADS)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A narrow pose network of each generation and head with random weights, saved as ultralytics' own."""
    config, _, head = request.param.partition(", ")
    path = tmp_path_factory.mktemp("yolo") / "pose.pt"
    return random_network(config, path, raised=-1, end2end=bool(head), **NARROW_YOLO)


def frame(seed: int = 0, *, height: int = 96, width: int = 128) -> Frame:
    rgb = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Frame(0, 0, 0.0, rgb)


def build(checkpoint: Path, **options: object) -> YoloPose:
    return YoloPose(load_ultralytics(checkpoint), image_px=128, **options)  # type: ignore[arg-type]


def estimate(backbone: YoloPose, frames: Sequence[Frame]) -> list[FramePersons]:
    return backbone.estimate([backbone.prepare(each) for each in frames])


def test_boxes_joints_and_features_come_from_one_pass(checkpoint: Path) -> None:
    backbone = build(checkpoint, taps=("p3", "p5"))
    people = estimate(backbone, [frame()])[0]
    count = len(people.detections)
    assert count
    assert people.joints_xy_px.shape == (count, 17, 2)
    assert people.pooled.shape == (count, 17, backbone.channels)
    one, two = (build(checkpoint, taps=(tap,)) for tap in ("p3", "p5"))
    assert one.channels + two.channels == backbone.channels
    np.testing.assert_allclose(
        estimate(one, [frame()])[0].pooled, people.pooled[..., : one.channels], atol=1e-5
    )


def test_maps_are_averaged_over_the_boxes(checkpoint: Path) -> None:
    """The frame is the network's input, so a cell of p3 is 8 of its pixels wide, one of p5 32."""
    backbone = build(checkpoint, taps=("p3", "p5"))
    assert len(backbone.tap_channels) == 2
    people = estimate(backbone, [frame()])[0]
    # whole pixels, against every pixel's own cell
    boxes = people.detections.boxes_xyxy_px.astype(int).tolist()
    pixels = torch.from_numpy(backbone.prepare(frame())[0]).permute(2, 0, 1)[None]
    _, *maps = backbone._network._runner(pixels / 255)
    first = 0
    for each, stride, channels in zip(maps, (8, 32), backbone.tap_channels, strict=True):
        features = each[0].numpy()
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
    people = estimate(backbone, [frame(), frame(1)])[1]
    assert len(people.detections) == 0
    assert people.joints_xy_px.shape == (0, 17, 2)
    assert people.pooled.shape == (0, 17, backbone.channels)
    assert people.map_mean.shape == (0, backbone.channels)


def test_frames_do_not_disturb_each_other(checkpoint: Path) -> None:
    backbone = build(checkpoint)
    frames = [frame(0), frame(1, height=64), frame(2)]
    together = estimate(backbone, frames)
    for each, people in zip(frames, together, strict=True):
        alone = estimate(backbone, [each])[0]
        np.testing.assert_allclose(alone.detections.scores, people.detections.scores, atol=1e-5)


def test_lower_precision_keeps_the_head_exact(checkpoint: Path) -> None:
    exact, rough = build(checkpoint), build(checkpoint, dtype=torch.bfloat16)
    maps: list[torch.Tensor] = []
    for backbone in (exact, rough):
        change_maps(backbone, lambda each: maps.append(each) or each)
        people = estimate(backbone, [frame()])[0]
        assert people.pooled.dtype == np.float32
    assert maps[1].dtype == torch.bfloat16
    assert 0 < (maps[1].float() - maps[0]).abs().max() < 0.05 * maps[0].abs().max()
    # bfloat16 has steps of half a pixel at 64 and more: all boxes on such steps would be rounded ones.
    assert (people.detections.boxes_xyxy_px % 0.5 != 0).any()


def change_maps(backbone: YoloPose, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Let something else stand for the tapped maps."""
    run = backbone._network._runner

    def runner(images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        predictions, *maps = run(images)
        return predictions, *map(change, maps)

    backbone._network._runner = runner


def set_cell_centres(backbone: YoloPose, stride: int) -> None:
    """Let the cells of the tapped map hold their own centres in input pixels."""

    def centres(features: torch.Tensor) -> torch.Tensor:
        height, width = features.shape[2:]
        x = ((torch.arange(width) + 0.5) * stride).expand(height, width)
        y = ((torch.arange(height) + 0.5) * stride)[:, None].expand(height, width)
        return torch.stack([x, y]).expand(len(features), 2, height, width)

    change_maps(backbone, centres)


@pytest.mark.parametrize(("tap", "stride"), [("p3", 8), ("p4", 16), ("p5", 32)])
def test_features_are_read_where_the_joints_are(checkpoint: Path, tap: str, stride: int) -> None:
    """Pooling gives the joints back, but for those in the outer half of the outermost cells."""
    backbone = build(checkpoint, taps=(tap,))
    set_cell_centres(backbone, stride)
    people = estimate(backbone, [frame()])[0]  # 128 x 96 enters as it is
    joints = people.joints_xy_px
    outer = [stride / 2, 128 - stride / 2], [stride / 2, 96 - stride / 2]
    nearest = np.stack([joints[..., axis].clip(*outer[axis]) for axis in (0, 1)], -1)
    assert (nearest != joints).any()
    assert (nearest == joints).all(-1).any()
    np.testing.assert_allclose(people.pooled, nearest, atol=2e-3)


def test_features_of_a_padded_frame_are_read_inside_the_frame(checkpoint: Path) -> None:
    """A frame of 160 x 60 enters as 128 x 48 with 8 rows of grey above and below."""
    backbone = build(checkpoint)
    set_cell_centres(backbone, 8)
    people = estimate(backbone, [frame(height=60, width=160)])[0]
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
    checkpoint = random_network(HEADS[0], tmp_path / "pose.pt", raised=-1, **NARROW_YOLO)
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
    shapes: list[tuple[int, ...]] = []
    change_maps(backbone, lambda each: shapes.append(tuple(each.shape[2:])) or each)
    estimate(backbone, [frame(height=60, width=160)])
    assert shapes == [(8, 16), (1, 2)]
    seen = compare(path, [frame(height=60, width=160).rgb], image_px=128)
    assert len(seen.scores) > 5
    assert seen.unmatched == 0
    assert seen.joints_px.max() < 0.01


@pytest.fixture(scope="module")
def one_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of them, for what all have in common."""
    return random_network(HEADS[0], tmp_path_factory.mktemp("yolo") / "pose.pt", **NARROW_YOLO)


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

    change_maps(backbone, lambda each: each.masked_fill(each == each.max(), torch.inf))
    frames = [np.random.default_rng(at).integers(0, 255, (96, 128, 3), dtype=np.uint8) for at in range(4)]
    options = EngineOptions(persons=1, steps=4)
    (outcome,) = extract_clips([ClipJob(0, make_video(frames))], options, estimator=OneStage(backbone))
    assert outcome.result.status == Status.FAILED
    assert "values that are not finite" in outcome.result.reason


def test_an_unknown_level_is_named(one_checkpoint: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected --tap out of p3, p4, p5, got p9"):
        build(one_checkpoint, taps=("p9",))
