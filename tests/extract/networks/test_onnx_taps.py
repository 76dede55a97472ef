"""Taps of ONNX files: by name, and in networks of 16 and 8 bits as really made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from heatpool.extract.networks.onnx import OnnxBackbone
from tests.fixtures.crops import noise_crops
from tests.fixtures.onnx_networks import changed, heatmap_network, refusal


@pytest.mark.parametrize(
    ("tap", "message"),
    [
        ("relu", "got 'relu'; some are: brightness, heatmaps"),
        ("Brightness", "got 'Brightness'; some are: brightness"),
        ("data", "got 'data', an input; some are"),
        ("blocks", "got 'blocks', a weight; some are"),
    ],
)
def test_an_unknown_tap_lists_what_there_is(tmp_path: Path, tap: str, message: str) -> None:
    assert message in refusal(heatmap_network(tmp_path / "pose.onnx"), tap)


EMPTY = numpy_helper.from_array(np.zeros((1, 0, 16, 12), np.float32))


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (helper.make_node("Flatten", ["brightness"], ["t"], axis=2), "got (4, 192)"),
        (helper.make_node("GlobalAveragePool", ["brightness"], ["t"]), "got (1, 4, 1, 1)"),
        (helper.make_node("Transpose", ["brightness"], ["t"], perm=[0, 2, 3, 1]), "got (1, 16, 12, 4)"),
        (helper.make_node("Transpose", ["brightness"], ["t"], perm=[1, 0, 2, 3]), "got (4, 1, 16, 12)"),
        (helper.make_node("Cast", ["brightness"], ["t"], to=TensorProto.INT64), "t is of int64"),
        (helper.make_node("Constant", [], ["t"], value=EMPTY), "got (1, 0, 16, 12)"),
        (helper.make_node("Log", ["brightness"], ["t"]), "t gives values that are not finite on noise"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_no_map_of_the_crop_is_refused(
    tmp_path: Path, node: onnx.NodeProto, message: str
) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    assert message in refusal(changed(path, lambda model: model.graph.node.append(node)), "t")


def test_a_map_with_its_channels_last_is_refused_though_its_sides_are_close(tmp_path: Path) -> None:
    """(1, 64, 48, 32) of a crop of 256 x 192, HRNet-W32's, could be 64 channels of 48 x 32."""
    path = heatmap_network(tmp_path / "pose.onnx", height=256, width=192)

    def turn(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Concat", ["brightness"] * 8, ["many"], axis=1))
        model.graph.node.append(helper.make_node("Transpose", ["many"], ["t"], perm=[0, 2, 3, 1]))

    assert "got (1, 64, 48, 32)" in refusal(changed(path, turn), "t")


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers with a Relu behind each, then heatmaps; float32."""
    rng = np.random.default_rng(0)
    shapes = {"first": (8, 3, 4, 4), "second": (8, 8, 3, 3), "heads": (17, 8, 1, 1)}
    weights = [
        numpy_helper.from_array(rng.normal(0, 0.2, s).astype(np.float32), n) for n, s in shapes.items()
    ]
    nodes = [
        helper.make_node("Conv", ["data", "first"], ["conv1"], strides=[4, 4]),
        helper.make_node("Relu", ["conv1"], ["relu1"]),
        helper.make_node("Conv", ["relu1", "second"], ["conv2"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["conv2"], ["relu2"]),
        helper.make_node("Conv", ["relu2", "heads"], ["heatmaps"]),
    ]
    image = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 64, 48])
    heat = helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, ["n", 17, 16, 12])
    graph = helper.make_graph(nodes, "pose", [image], [heat], weights)
    path = tmp_path_factory.mktemp("onnx") / "exact.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def test_what_onnxruntime_optimised_into_blocks_is_no_map(exact: Path, tmp_path: Path) -> None:
    """Eight channels come as eight or sixteen in blocks, in a shape that says nothing of it."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "fast.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(exact, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "fast.onnx").graph.node
    for node in nodes:
        if node.op_type == "Conv" and node.domain == "com.microsoft.nchwc":
            assert "is laid out in blocks" in refusal(tmp_path / "fast.onnx", node.output[0])
    wanted = OnnxBackbone(exact, ("relu1",)).forward(crops()).maps[0]
    found = OnnxBackbone(tmp_path / "fast.onnx", ("relu1",)).forward(crops()).maps[0]
    torch.testing.assert_close(found, wanted)


class Noise:
    """What onnxruntime calls a calibration data reader."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._left: Iterator[np.ndarray] = iter(rng.normal(size=(4, 1, 3, 64, 48)).astype(np.float32))

    def get_next(self) -> dict[str, np.ndarray] | None:
        image = next(self._left, None)
        return None if image is None else {"data": image}


def crops() -> torch.Tensor:
    return noise_crops(3, 64, 48)


@pytest.mark.parametrize("kind", ["QUInt8", "QInt8"])
def test_a_relu_that_int8_export_took_out_is_still_behind_the_tap(
    exact: Path, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Its name is then that of what was before it; the quantisation behind cuts negative values off."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    path = tmp_path / "int8.onnx"
    quantize_static(exact, path, Noise(), quant_format=QuantFormat.QDQ, activation_type=QuantType[kind])
    assert "Relu" not in {node.op_type for node in onnx.load(path).graph.node}
    wanted = OnnxBackbone(exact, ("relu1",)).forward(crops()).maps[0]
    with caplog.at_level(logging.INFO):
        found = OnnxBackbone(path, ("relu1",)).forward(crops()).maps[0]
    assert "tap relu1 of int8.onnx is read behind its quantisation" in caplog.text
    assert float(found.min()) == 0
    assert float((found - wanted).abs().mean()) < 0.02 * float(wanted.max())
    eight_bits = OnnxBackbone(path, ("relu1_QuantizeLinear_Output",)).forward(crops()).maps[0]
    assert torch.equal(eight_bits, found)


def test_a_tap_of_8_bits_that_is_never_made_whole_again_is_refused(exact: Path, tmp_path: Path) -> None:
    from onnxruntime.quantization import QuantFormat, quantize_static

    path = tmp_path / "int8.onnx"
    quantize_static(exact, path, Noise(), quant_format=QuantFormat.QOperator)
    assert "conv1_quantized is of int8; quantise with QuantFormat.QDQ" in refusal(path, "conv1_quantized")


def test_crops_of_a_network_that_scales_8_bits_as_it_runs_do_not_disturb_each_other(
    exact: Path, tmp_path: Path
) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Of signed weights onnxruntime 1.20 has no ConvInteger.
    quantize_dynamic(exact, tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8)
    backbone = OnnxBackbone(tmp_path / "dynamic.onnx", ("relu1",))
    pale, vivid = crops()[:1] // 20 + 116, crops()[1:2]
    together = backbone.forward(torch.cat([pale, vivid])).maps[0]
    assert torch.equal(together[:1], backbone.forward(pale).maps[0])
    assert float((together[1:] - OnnxBackbone(exact, ("relu1",)).forward(vivid).maps[0]).abs().max()) < 0.1


@pytest.mark.parametrize("ends_too", [True, False])
def test_a_network_of_16_bits_gives_what_it_gives_in_32(exact: Path, tmp_path: Path, ends_too: bool) -> None:
    from onnxruntime.transformers.float16 import convert_float_to_float16

    path = tmp_path / "half.onnx"
    onnx.save(convert_float_to_float16(onnx.load(exact), keep_io_types=not ends_too), path)
    wanted = OnnxBackbone(exact, ("relu1",)).forward(crops())
    pose = OnnxBackbone(path, ("relu1",)).forward(crops())
    assert pose.maps[0].dtype == pose.scores.dtype == torch.float32
    torch.testing.assert_close(pose.maps[0], wanted.maps[0], atol=0.01, rtol=0)
    torch.testing.assert_close(pose.scores, wanted.scores, atol=0.01, rtol=0)
