"""Which outputs of an ONNX file are joints, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_input import OnnxInput
from tests.fixtures.crops import black_crops, noise_crops
from tests.fixtures.onnx_networks import changed, constant_network, heatmap_network, refusal, with_tap

Change = Callable[[onnx.ModelProto], None]


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
    pose = OnnxBackbone(with_tap(path), ("map",)).forward(black_crops(1, height, width))
    assert pose.joints_xy_px.tolist() == [[[3.5, 2.0], [3.5, 2.0]]]


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"a": (1, 2, 16), "b": (1, 2, 16)}, "names that end in x and y, got a (1, 2, 16) and b (1, 2, 16)"),
        ({"x": (1, 2, 16), "y": (1, 2, 24)}, "as many bins a pixel along x as along y"),
        ({"box": (1, 9, 5), "key": (1, 9, 5)}, "as many bins a pixel along x as along y, one or more"),
        ({"logits": (1, 300, 92), "boxes": (1, 300, 4)}, "as many bins a pixel"),  # DETR
        ({"x": (1, 17, 16), "y": (1, 17, 16), "z": (1, 17, 16)}, "or two SimCC vectors"),  # RTMPose3D
        ({"dets": (1, 10, 5), "keypoints": (1, 10, 17, 3)}, "got dets (1, 10, 5), keypoints (1, 10, 17, 3)"),
        ({"output0": (1, 56, 84)}, "--detector reads YOLO exports, --backend yolo-pose their checkpoints"),
        ({"output0": (1, 38, 84), "proto": (1, 32, 4, 4)}, "got output0 (1, 38, 84), proto (1, 32, 4, 4)"),
        ({"tags": (1, 34, 4, 4), "heat": (1, 17, 8, 8)}, "leave only these in the file"),  # HigherHRNet
        ({"heat": (1, 17)}, "got heat (1, 17)"),
        ({"coordinates": (1, 17, 3)}, "got coordinates (1, 17, 3)"),
        ({"last": (1, 8, 6, 17)}, "got last (1, 8, 6, 17)"),  # joints last, as Keras has them
        ({"heat": (1, 17, 0, 0)}, "got heat ("),  # onnxruntime 1.20 takes what is empty for a scalar
        ({"heat": (1, 0, 8, 8)}, "got heat ("),
        ({"heat": (3, 17, 8, 8)}, "got heat (3, 17, 8, 8)"),  # of one crop
        ({"x": (3, 2, 16), "y": (3, 2, 16)}, "SimCC vectors (1, V, n) of pose.onnx"),
        ({"x": (1, 0, 16), "y": (1, 0, 16)}, "got x ("),
    ],
)  # fmt: skip
def test_outputs_that_are_no_joints_are_refused(
    tmp_path: Path, outputs: dict[str, tuple[int, ...]], message: str
) -> None:
    base = {name: np.zeros(shape) for name, shape in outputs.items()}
    assert message in refusal(with_tap(constant_network(tmp_path / "pose.onnx", base, input_hw_px=(8, 8))))


def add_scalar(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("ReduceMax", ["heatmaps"], ["best"], keepdims=0))
    model.graph.output.insert(0, helper.make_tensor_value_info("best", TensorProto.FLOAT, []))


def add_sequence(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("SequenceConstruct", ["heatmaps"], ["list"]))
    model.graph.output.append(helper.make_tensor_sequence_value_info("list", TensorProto.FLOAT, None))


def give_the_tap_first(model: onnx.ModelProto) -> None:
    model.graph.output.insert(0, helper.make_empty_tensor_value_info("brightness"))


def forget_shapes(model: onnx.ModelProto) -> None:
    model.graph.output[0].type.tensor_type.ClearField("shape")


def list_weights_as_inputs(model: onnx.ModelProto) -> None:
    for each in model.graph.initializer:
        model.graph.input.append(helper.make_tensor_value_info(each.name, each.data_type, each.dims))


def name_all_axes(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        for number, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}{number}"


@pytest.mark.parametrize(
    "change",
    [add_scalar, add_sequence, give_the_tap_first, forget_shapes, list_weights_as_inputs, name_all_axes],
)
def test_what_real_exports_have_besides_changes_nothing(tmp_path: Path, change: Change) -> None:
    crops = noise_crops(3, 64, 48)
    path = heatmap_network(tmp_path / "pose.onnx")
    wanted = OnnxBackbone(path, ("brightness",)).forward(crops)
    pose = OnnxBackbone(changed(path, change), ("brightness",), given=OnnxInput(size=(64, 48))).forward(crops)
    assert torch.equal(pose.joints_xy_px, wanted.joints_xy_px)
    torch.testing.assert_close(pose.maps[0], wanted.maps[0])


def drop_outputs(model: onnx.ModelProto) -> None:
    del model.graph.output[:]


def give_heatmaps_twice(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", ["heatmaps"], ["second"]))
    model.graph.output.append(helper.make_tensor_value_info("second", TensorProto.FLOAT, None))


def take_bytes(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["data"], ["pixels"], to=TensorProto.FLOAT))
    model.graph.node[1].input[0] = "pixels"


def take_channels_last(model: onnx.ModelProto) -> None:
    for dim, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 64, 48, 3), strict=True):
        dim.dim_value = size


def take_open_channels_last(model: onnx.ModelProto) -> None:
    take_channels_last(model)
    for dim in model.graph.input[0].type.tensor_type.shape.dim[:3]:
        dim.dim_param = "open"


def take_two_inputs(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("dataset_index", TensorProto.INT64, [1]))


def forget_the_inputs_shape(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.ClearField("shape")


def fix_eight(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 8
    model.graph.node[-1].output[0] = "free"
    model.graph.initializer.append(numpy_helper.from_array(np.array([8, 17, 16, 12], np.int64), "fixed"))
    model.graph.node.append(helper.make_node("Reshape", ["free", "fixed"], ["heatmaps"]))


def take_huge_images(model: onnx.ModelProto) -> None:
    for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dim.dim_value = 1 << 40


def need_a_newer_runtime(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def need_a_newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def need_an_operator_of_somebody(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("TRTBatchedNMS", ["heatmaps"], ["kept"], domain="mmdeploy"))
    model.opset_import.append(helper.make_opsetid("mmdeploy", 1))


def stay_in_training(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "heat"
    model.graph.node.append(helper.make_node("RandomNormalLike", ["heat"], ["noise"]))
    model.graph.node.append(helper.make_node("Add", ["heat", "noise"], ["heatmaps"]))


def give_bytes(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "heat"
    model.graph.node.append(helper.make_node("Cast", ["heat"], ["heatmaps"], to=TensorProto.UINT8))
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.UINT8


def lose_numbers(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "heat"
    model.graph.node.append(helper.make_node("Log", ["heat"], ["heatmaps"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_outputs, "got no output"),
        (give_heatmaps_twice, "expected one output of heatmaps from pose.onnx"),
        (take_bytes, "it takes tensor(uint8)"),
        (take_channels_last, "got data (1, 64, 48, 3): export it with the channels first (tf2onnx"),
        (take_open_channels_last, "got data (open, open, open, 3): export it with the channels first"),
        (take_two_inputs, "dataset_index (1): fix all inputs but the image"),
        (forget_the_inputs_shape, "got data without a shape"),
        (fix_eight, "failed on 1 images (it is made for 8 at once: export it for one)"),
        (take_huge_images, "an input of at most 16,777,216 pixels in pose.onnx, got 1099511627776 x"),
        (need_a_newer_runtime, "Unsupported model IR version: 99"),
        (need_a_newer_opset, "install a newer onnxruntime, or export it for an older opset"),
        (need_an_operator_of_somebody, "export it without operators of mmdeploy or of your own"),
        (stay_in_training, "expected the same answer twice from pose.onnx, got two"),
        (give_bytes, "got heatmaps (1, 17, 16, 12) of uint8"),
        (lose_numbers, "heatmaps gives values that are not finite"),
    ],
)
def test_networks_that_cannot_be_run_say_why_in_one_line(
    tmp_path: Path, change: Change, message: str
) -> None:
    said = refusal(changed(heatmap_network(tmp_path / "pose.onnx"), change), "brightness")
    assert message in said
    assert ".cc:" not in said  # no place in the source of onnxruntime
