"""Small ONNX pose networks whose answers are known by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def heatmap_network(path: Path, *, height: int = 64, width: int = 48, joints: int = 17) -> Path:
    """A network (1, 3, height, width) → heatmaps a quarter of the size, all equal to the mean colour.

    Its inner tensor `brightness` (1, 4, height / 4, width / 4) holds the mean of each 4 x 4 block and
    three constant multiples of it. The batch size is fixed at 1, as exporters like to leave it.
    """
    multiples = np.array([1, 2, 3, 4], np.float32).reshape(4, 1, 1, 1)
    blocks = multiples * np.full((1, 3, 4, 4), 1 / 48, np.float32)
    heads = np.zeros((joints, 4, 1, 1), np.float32)
    heads[:, 0] = 1
    nodes = [
        helper.make_node("Conv", ["data", "blocks"], ["brightness"], strides=[4, 4], kernel_shape=[4, 4]),
        helper.make_node("Conv", ["brightness", "heads"], ["heatmaps"], kernel_shape=[1, 1]),
    ]
    size = [height // 4, width // 4]
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("heatmaps", TensorProto.FLOAT, [1, joints, *size])],
        [numpy_helper.from_array(blocks, "blocks"), numpy_helper.from_array(heads, "heads")],
        value_info=[helper.make_tensor_value_info("brightness", TensorProto.FLOAT, [1, 4, *size])],
    )
    return _save(graph, path)


def simcc_network(path: Path, *, height: int = 8, width: int = 6) -> Path:
    """A network whose SimCC vectors are the column and row means of the first channel, 1 bin a pixel."""
    nodes = [
        helper.make_node("Conv", ["data", "pick"], ["picked"], kernel_shape=[1, 1]),
        helper.make_node("ReduceMean", ["picked", "rows"], ["simcc_x"], keepdims=0),
        helper.make_node("ReduceMean", ["picked", "columns"], ["simcc_y"], keepdims=0),
    ]
    pick = np.zeros((2, 3, 1, 1), np.float32)
    pick[:, 0] = 1
    graph = helper.make_graph(
        nodes,
        "pose",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, height, width])],
        [
            helper.make_tensor_value_info("simcc_x", TensorProto.FLOAT, ["n", 2, width]),
            helper.make_tensor_value_info("simcc_y", TensorProto.FLOAT, ["n", 2, height]),
        ],
        [
            numpy_helper.from_array(pick, "pick"),
            numpy_helper.from_array(np.array([2], np.int64), "rows"),
            numpy_helper.from_array(np.array([3], np.int64), "columns"),
        ],
    )
    return _save(graph, path)


def _save(graph: onnx.GraphProto, path: Path) -> Path:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path
