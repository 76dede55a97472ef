from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import OneStage
from heatpool.extract.networks.ultralytics import LoadedModel, load_ultralytics
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from tests.conftest import VideoMaker, gray_frames


@pytest.fixture(scope="module", params=["yolo11n-pose.yaml", "yolo26n-pose.yaml"])
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An official pose network with random weights, saved as ultralytics saves its checkpoints."""
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(0)
    model = PoseModel(request.param, nc=1, verbose=False)
    model.names = {0: "person"}
    path = tmp_path_factory.mktemp("yolo") / "pose.pt"
    torch.save({"model": model.half(), "train_args": {}}, path)
    return path


def frame(seed: int = 0, *, height: int = 96, width: int = 128) -> Frame:
    rgb = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Frame(0, 0, 0.0, rgb)


def build(checkpoint: Path, **options: object) -> YoloPose:
    return YoloPose(load_ultralytics(checkpoint), image_px=128, min_score=1e-5, **options)  # type: ignore[arg-type]


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


def test_features_are_read_where_the_joints_are(checkpoint: Path) -> None:
    """With the tapped map replaced by its own cell centres in input pixels, pooling returns the joints."""
    backbone = build(checkpoint)
    layer = backbone._layers[0]

    def coordinates(module: object, inputs: object, output: torch.Tensor) -> None:
        height, width = output.shape[2:]
        x = ((torch.arange(width) + 0.5) * 8 - 0.5).expand(height, width)
        y = ((torch.arange(height) + 0.5) * 8 - 0.5)[:, None].expand(height, width)
        backbone._maps[layer] = torch.stack([x, y]).expand(len(output), 2, height, width)

    backbone._network.model.model[layer].register_forward_hook(coordinates)
    people = backbone.estimate([frame()])[0]
    joints = people.joints_xy_px
    inside = ((joints > 8) & (joints < np.array([120, 88]))).all(-1)  # 128 x 96 enters as it is
    assert inside.any()
    np.testing.assert_allclose(people.pooled[inside], joints[inside], atol=1e-2)


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


def test_an_unknown_level_is_named(checkpoint: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected --tap out of p3, p4, p5, got p9"):
        build(checkpoint, taps=("p9",))


def test_a_detector_has_no_joints(tmp_path: Path) -> None:
    from ultralytics.nn.tasks import DetectionModel

    model = DetectionModel("yolo11n.yaml", verbose=False)
    model.names = {0: "person", 1: "bicycle"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "detect.pt")
    loaded = load_ultralytics(tmp_path / "detect.pt")
    assert (loaded.person_class, loaded.joints) == (0, 0)
    with pytest.raises(HeatpoolError, match="has no joints"):
        YoloPose(LoadedModel(loaded.model, 0, 0, ""))
    model.names = {0: "cat", 1: "dog"}
    torch.save({"model": model, "train_args": {}}, tmp_path / "cats.pt")
    with pytest.raises(HeatpoolError, match="expected a class 'person' in .*, got cat, dog"):
        load_ultralytics(tmp_path / "cats.pt")


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this must never run",))


@pytest.mark.parametrize("kind", ["missing", "text", "evil"])
def test_what_is_no_checkpoint_is_refused_and_never_run(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.pt"
    if kind == "text":
        path.write_text("no checkpoint")
    if kind == "evil":
        path.write_bytes(pickle.dumps({"model": Evil()}))
    with pytest.raises(HeatpoolError, match="cannot load") as caught:
        load_ultralytics(path)
    assert "\n" not in str(caught.value)
    assert "never run" not in capsys.readouterr().out
