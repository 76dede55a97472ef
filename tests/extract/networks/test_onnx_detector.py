from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from benchmarks.yolo_parity import random_network
from heatpool.extract.networks.detectors import UltralyticsDetector, detect_frames
from heatpool.extract.networks.onnx_detector import OnnxDetector
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.records import Frame
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.onnx_networks import constant_network

COCO = "{0: 'person', " + ", ".join(f"{number}: 'thing {number}'" for number in range(1, 80)) + "}"


def frame(height: int, width: int, *, red: int = 255) -> Frame:
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[..., 0] = red
    return Frame(0, 0, 0.0, rgb)


def candidates(classes: int, rows: list[tuple[float, float, float, float, int, float]]) -> np.ndarray:
    """(1, 4 + classes, 200): centre, size, class and score of some candidates; the others score nothing."""
    output = np.zeros((1, 4 + classes, 200))
    for at, (x, y, width, height, number, score) in enumerate(rows):
        output[0, :4, at] = x, y, width, height
        output[0, 4 + number, at] = score
    return output


def test_candidates_are_thinned_out_and_mapped_to_the_frame(tmp_path: Path) -> None:
    """A frame of 128 x 96 is halved and gets 8 rows of grey above and below: 64 x 48 in 64 x 64."""
    rows = [
        (32, 32, 20, 20, 0, 0.9),
        (33, 32, 20, 20, 0, 0.8),  # the same person
        (32, 32, 20, 20, 1, 0.95),  # no person
        (10, 12, 8, 8, 0, 0.5),
        (50, 50, 8, 8, 0, 0.2),  # too unsure
    ]
    network = constant_network(tmp_path / "yolo.onnx", {"output0": candidates(80, rows)})
    (found,) = detect_frames(OnnxDetector(network), [frame(96, 128)])
    assert found.boxes_xyxy_px.tolist() == [[44, 28, 84, 68], [12, 0, 28, 16]]
    assert found.scores.tolist() == pytest.approx([0.9, 0.5])


def test_size_and_overlap_may_be_given(tmp_path: Path) -> None:
    rows = [(32, 32, 20, 20, 0, 0.9), (35, 32, 20, 20, 0, 0.8)]  # they share 74 % of their area
    network = constant_network(tmp_path / "yolo.onnx", {"output0": candidates(80, rows)})
    for max_iou, count in ((None, 1), (0.8, 2), (0.5, 1)):
        (found,) = detect_frames(
            OnnxDetector(network, max_iou=max_iou, image_hw_px=(64, 64)), [frame(64, 64)]
        )
        assert len(found) == count
    with pytest.raises(
        HeatpoolError, match=r"expected no --imgsz, or 64,64, for which yolo\.onnx is made, got 640,640"
    ):
        OnnxDetector(network, image_hw_px=(640, 640))


def test_the_class_called_person_is_found_by_the_names_in_the_metadata(tmp_path: Path) -> None:
    rows = [(20, 20, 8, 8, 0, 0.9), (40, 40, 10, 10, 2, 0.8)]
    metadata = {"names": "{0: 'car', 1: 'dog', 2: 'Person'}"}
    path = constant_network(tmp_path / "yolo.onnx", {"out": candidates(3, rows)}, metadata=metadata)
    (found,) = detect_frames(OnnxDetector(path), [frame(64, 64)])
    assert found.boxes_xyxy_px.tolist() == [[35, 35, 45, 45]]


def test_end_to_end_rows_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 6))
    rows[0, :4] = [
        [10, 10, 30, 30, 0.9, 0], [11, 10, 31, 30, 0.8, 0], [0, 0, 9, 9, 0.7, 5], [0, 0, 9, 9, 0.2, 0]
    ]  # fmt: skip
    path = constant_network(tmp_path / "yolo.onnx", {"output0": rows}, metadata={"names": COCO})
    (found,) = detect_frames(OnnxDetector(path), [frame(64, 64)])
    assert found.boxes_xyxy_px.tolist() == [[10, 10, 30, 30], [11, 10, 31, 30]]


def test_a_detector_of_16_bits_finds_the_same(tmp_path: Path) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = constant_network(
        tmp_path / "half.onnx", {"output0": candidates(1, [(32, 32, 20, 20, 0, 0.9)])}, input_hw_px=(64, 64)
    )
    onnx.save(convert_float_to_float16(onnx.load(path)), path)
    (found,) = detect_frames(OnnxDetector(path), [frame(64, 64)])
    assert found.boxes_xyxy_px.tolist() == [[22, 22, 42, 42]]
    assert found.scores.tolist() == pytest.approx([0.9], abs=1e-3)


@pytest.mark.parametrize(("red", "score"), [(255, 0.8), (153, 0.6)])
def test_yolo_sees_rgb_from_0_to_1(tmp_path: Path, red: int, score: float) -> None:
    base, gain = candidates(1, [(32, 32, 20, 20, 0, 0.3)]), candidates(1, [(0, 0, 0, 0, 0, 0.5)])
    path = constant_network(tmp_path / "yolo.onnx", {"output0": base}, red={"output0": gain})
    assert detect_frames(OnnxDetector(path), [frame(64, 64, red=red)])[0].scores.tolist() == pytest.approx(
        [score], abs=1e-5
    )


def test_fastestdet_by_hand(tmp_path: Path) -> None:
    """Cell (2, 1) of 4 x 4 holds a person in the middle of the next cell's start, half the frame large."""
    grid = np.zeros((1, 85, 4, 4))
    grid[0, :6, 1, 2] = 0.5, np.arctanh(0.5), np.arctanh(0.25), 0, np.log(1 / 3), 0.7  # sigmoid: 1/2, 1/4
    gain = np.zeros_like(grid)
    gain[0, 0] = 1  # blue: FastestDet sees BGR
    path = constant_network(tmp_path / "fast.onnx", {"758": grid}, red={"758": gain})
    (found,) = detect_frames(OnnxDetector(path), [frame(120, 200)])  # stretched, not padded
    width, height = 100, 30
    x, y = (2.5 / 4) * 200, (1.25 / 4) * 120
    box = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    np.testing.assert_allclose(found.boxes_xyxy_px, [box], rtol=1e-5)
    assert found.scores.tolist() == pytest.approx([0.5**0.6 * 0.7**0.4])


@pytest.mark.parametrize(
    ("outputs", "metadata", "message"),
    [
        ({"boxes": np.zeros((1, 10, 4)), "labels": np.zeros((1, 10))}, {}, r"got \(1, 10, 4\), \(1, 10\)"),
        ({"output": np.zeros((1, 25200, 85))}, {}, r"got \(1, 25200, 85\)"),  # YOLOv5
        ({"output": np.zeros((1, 17, 16, 16))}, {}, r"got \(1, 17, 16, 16\)"),  # heatmaps
        (
            {"output": np.full((1, 300, 6), 0.5)},
            {},
            r"got \(1, 300, 6\) with boxes from 0 to 1, as RT-DETR gives",
        ),
        ({"output": np.full((1, 5, 300), 0.5)}, {}, r"got \(1, 5, 300\) with boxes from 0 to 1"),
        (
            {"o": np.zeros((1, 38, 84)), "proto": np.zeros((1, 32, 16, 16))},
            {},
            r"\(1, 38, 84\), \(1, 32, 16, 16\)",
        ),
        ({"output": np.zeros((1, 10, 200))}, {"names": COCO}, r"got \(1, 10, 200\)"),
        (
            {"output": np.zeros((1, 6, 200))},
            {"names": "{0: 'cat', 1: 'dog'}"},
            "a class 'person' in .*cat, dog",
        ),
        ({"output": np.zeros((1, 6, 200))}, {"names": "[[["}, "expected metadata 'names' of bad.onnx"),
    ],
)
def test_what_is_no_person_detector_is_refused(
    tmp_path: Path, outputs: dict[str, np.ndarray], metadata: dict[str, str], message: str
) -> None:
    path = constant_network(tmp_path / "bad.onnx", outputs, metadata=metadata)
    with pytest.raises(HeatpoolError, match=message) as caught:
        OnnxDetector(path)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(("config", "end2end"), [("yolo11n-pose.yaml", False), ("yolo26n-pose.yaml", True)])
def test_an_export_finds_what_its_checkpoint_finds(
    tmp_path: Path, config: str, end2end: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real graphs of both generations, with candidates and end to end; the frame fills the size they take."""
    narrow = {"scales": {"n": [0.33, 0.0625, 128]}}
    checkpoint = random_network(config, tmp_path / "pose.pt", raised=-1, end2end=end2end, **narrow)
    loaded = load_ultralytics(checkpoint)
    head = loaded.model.model[-1]  # type: ignore[union-attr, index]
    path = tmp_path / "pose.onnx"
    monkeypatch.setattr(head, "export", True, raising=False)
    monkeypatch.setattr(head, "format", "onnx", raising=False)
    torch.onnx.export(
        loaded.model, (torch.zeros(1, 3, 96, 128),), str(path), dynamo=False, output_names=["output0"]
    )
    monkeypatch.undo()
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {"names": "{0: 'person'}", "kpt_shape": "[17, 3]"})
    onnx.save(model, path)
    rgb = np.random.default_rng(0).integers(0, 255, (192, 256, 3), dtype=np.uint8)
    frames = [Frame(0, 0, 0.0, rgb)]
    (wanted,) = detect_frames(UltralyticsDetector(loaded.model, image_px=128), frames)
    (found,) = detect_frames(OnnxDetector(path), frames)
    assert len(wanted) > 5
    np.testing.assert_allclose(found.scores, wanted.scores, atol=1e-4)
    np.testing.assert_allclose(
        np.sort(found.boxes_xyxy_px, axis=0), np.sort(wanted.boxes_xyxy_px, axis=0), atol=0.02
    )
