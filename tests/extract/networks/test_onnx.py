from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.onnx_networks import changed, constant_network, heatmap_network, simcc_network


def test_an_inner_tensor_becomes_the_feature_map(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    backbone = OnnxBackbone(path, ("brightness",))
    assert (backbone.joints, backbone.channels, backbone.tap) == (17, 4, "brightness")
    assert (backbone.crop.height_px, backbone.crop.width_px) == (64, 48)
    assert backbone.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    crops = torch.zeros(5, 3, 64, 48)
    crops[3, :, 20:24, 8:12] = 0.7  # block 5 from above, 2 from the left
    pose = backbone.forward(crops)
    assert pose.maps[0].shape == (5, 4, 16, 12)
    torch.testing.assert_close(pose.maps[0][3, :, 5, 2], 0.7 * torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert pose.joints_xy_px[3].tolist() == [[8.0, 20.0]] * 17
    torch.testing.assert_close(pose.scores[3], torch.full((17,), 0.7))
    assert pose.heatmaps is not None
    assert pose.heatmaps.shape == (5, 17, 16, 12)


def test_a_batch_of_many_equals_many_of_one(tmp_path: Path) -> None:
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("brightness",))
    crops = torch.randn(7, 3, 64, 48)
    together = backbone.forward(crops)
    for at in range(7):
        alone = backbone.forward(crops[at : at + 1])
        torch.testing.assert_close(alone.maps[0][0], together.maps[0][at], atol=1e-6, rtol=0)
        assert torch.equal(alone.joints_xy_px[0], together.joints_xy_px[at])


def test_simcc_vectors_are_read(tmp_path: Path) -> None:
    backbone = OnnxBackbone(simcc_network(tmp_path / "pose.onnx"), ("picked",))
    crops = torch.zeros(2, 3, 8, 6)
    crops[1, 0, 5, 4] = 1.0
    pose = backbone.forward(crops)
    assert pose.joints_xy_px[1].tolist() == [[4.0, 5.0], [4.0, 5.0]]
    assert pose.heatmaps is None
    assert pose.maps[0].shape == (2, 2, 8, 6)


@pytest.mark.parametrize(
    ("names", "crop", "x_first"),
    [
        (("simcc_x", "simcc_y"), (8, 6), True),
        (("oy", "ox"), (8, 6), False),
        (("a", "b"), (8, 6), None),  # the lengths alone tell
        (("oy", "ox"), (8, 8), False),
    ],
)
def test_simcc_vectors_are_told_apart_by_length_or_name(
    tmp_path: Path, names: tuple[str, str], crop: tuple[int, int], x_first: bool | None
) -> None:
    height, width = crop
    along_x, along_y = np.zeros((1, 2, 2 * width)), np.zeros((1, 2, 2 * height))
    along_x[..., 7], along_y[..., 4] = 1, 1
    outputs = (along_x, along_y) if x_first else (along_y, along_x)
    path = constant_network(tmp_path / "pose.onnx", dict(zip(names, outputs, strict=True)), input_hw_px=crop)
    pose = OnnxBackbone(with_tap(path), ("map",)).forward(torch.zeros(1, 3, height, width))
    assert pose.joints_xy_px.tolist() == [[[3.5, 2.0], [3.5, 2.0]]]


def with_tap(path: Path) -> Path:
    """Give a network an inner map of one channel."""

    def add_map(model: onnx.ModelProto) -> None:
        node = onnx.helper.make_node("ReduceMean", ["images", "channels"], ["map"], keepdims=1)
        model.graph.node.append(node)
        model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "channels"))

    return changed(path, add_map)


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": (1, 2, 16), "b": (1, 2, 16)}, "names that end in x and y, got a .* for 8 x 8 pixels"),
        ({"x": (1, 2, 16), "y": (1, 2, 24)}, "as many bins a pixel along x as along y"),
        (
            {"dets": (1, 10, 5), "keypoints": (1, 10, 17, 3)},
            r"got dets \(1, 10, 5\), keypoints \(1, 10, 17, 3\)",
        ),
        ({"heat": (1, 17)}, r"expected heatmaps .* got heat \(1, 17\)"),
    ],
)
def test_outputs_that_are_no_joints_are_refused(
    tmp_path: Path, outputs: dict[str, tuple[int, ...]], message: str
) -> None:
    base = {name: np.zeros(shape) for name, shape in outputs.items()}
    path = with_tap(constant_network(tmp_path / "pose.onnx", base, input_hw_px=(8, 8)))
    with pytest.raises(HeatpoolError, match=message) as caught:
        OnnxBackbone(path, ("map",))
    assert "\n" not in str(caught.value)


def test_a_graph_that_holds_one_crop_runs_one_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters fix the batch inside the graph too, where nothing can free it."""
    path = heatmap_network(tmp_path / "pose.onnx")

    def reshape(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "free"
        shape = onnx.numpy_helper.from_array(np.array([1, 17, 16, 12], np.int64), "fixed")
        model.graph.initializer.append(shape)
        model.graph.node.append(onnx.helper.make_node("Reshape", ["free", "fixed"], ["heatmaps"]))

    crops = torch.rand(3, 3, 64, 48)
    wanted = OnnxBackbone(path, ("brightness",)).forward(crops)
    with caplog.at_level(logging.INFO):
        backbone = OnnxBackbone(changed(path, reshape), ("brightness",))
    assert "one crop at a time" in caplog.text
    pose = backbone.forward(crops)
    torch.testing.assert_close(pose.joints_xy_px, wanted.joints_xy_px)
    torch.testing.assert_close(pose.maps[0], wanted.maps[0])


def test_an_output_without_a_shape_works(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    shapeless = changed(path, lambda model: model.graph.output[0].type.tensor_type.ClearField("shape"))
    assert OnnxBackbone(shapeless, ("brightness",)).joints == 17


def test_weights_beside_the_file_are_read_from_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    crops = torch.rand(2, 3, 64, 48)
    wanted = OnnxBackbone(path, ("brightness",)).forward(crops).maps[0]
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="pose.data", size_threshold=0)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    data = tmp_path / "pose.data"
    (elsewhere / "pose.data").write_bytes(bytes(data.stat().st_size))  # must not be taken
    monkeypatch.chdir(elsewhere)
    backbone = OnnxBackbone(path, ("brightness",))
    torch.testing.assert_close(backbone.forward(crops).maps[0], wanted)
    content = data.read_bytes()
    data.write_bytes(b"\x7f" + content[1:])
    assert OnnxBackbone(path, ("brightness",)).weights_sha256 != backbone.weights_sha256
    data.write_bytes(content[:-4])
    with pytest.raises(HeatpoolError, match=r"cannot (read|run) pose\.onnx"):
        OnnxBackbone(path, ("brightness",))
    data.unlink()
    with pytest.raises(HeatpoolError, match=r"cannot read .*pose\.data: No such file"):
        OnnxBackbone(path, ("brightness",))


@pytest.mark.parametrize("place", ["../pose.data", "/dev/zero", "."])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "inside").mkdir()
    path = heatmap_network(tmp_path / "inside" / "pose.onnx")
    onnx.save(onnx.load(path), path, save_as_external_data=True, location="pose.data", size_threshold=0)
    (tmp_path / "inside" / "pose.data").rename(tmp_path / "pose.data")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        tensor.external_data[0].value = place
    path.write_bytes(model.SerializeToString())
    with pytest.raises(HeatpoolError, match="expected the weights of an ONNX file in its folder"):
        OnnxBackbone(path, ("brightness",))


def test_an_output_may_be_the_tap(tmp_path: Path) -> None:
    pose = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("heatmaps",)).forward(
        torch.rand(2, 3, 64, 48)
    )
    assert pose.heatmaps is not None
    assert torch.equal(pose.maps[0], pose.heatmaps)


def test_several_taps_come_at_once(tmp_path: Path) -> None:
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("brightness", "heatmaps"))
    assert (backbone.tap, backbone.channels) == ("brightness+heatmaps", 4 + 17)
    pose = backbone.forward(torch.rand(2, 3, 64, 48))
    assert [each.shape[1] for each in pose.maps] == [4, 17]


def test_an_unknown_tap_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="got 'relu'; some are: brightness, heatmaps"):
        OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("relu",))


@pytest.mark.parametrize(("content", "message"), [(b"no network", "pose.onnx"), (None, "cannot read")])
def test_what_is_no_network_is_said_in_one_line(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "pose.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(HeatpoolError, match=message) as caught:
        OnnxBackbone(path, ("tap",))
    assert "\n" not in str(caught.value)
