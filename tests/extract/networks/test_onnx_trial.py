"""Networks that may compute without end are tried in a child process, and ended when they run."""

from __future__ import annotations

import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from benchmarks.faults_networks import endless_graph
from heatpool.extract.networks import onnx_trial
from heatpool.extract.networks.onnx_file import OnnxFile
from heatpool.extract.networks.onnx_network import OnnxNetwork
from heatpool.extract.networks.onnx_trial import may_not_end, try_network
from heatpool.pool.errors import HeatpoolError

_IMAGE = (1, 3, 32, 32)


def try_model(model: onnx.ModelProto) -> None:
    try_network(model.SerializeToString(), "n.onnx", _IMAGE)


def inside(kind: str, model: onnx.ModelProto) -> onnx.ModelProto:
    """A model whose only node holds the graph of another one."""
    name = {"If": "then_branch", "Loop": "body"}[kind]
    node = helper.make_node(kind, ["x"], ["y"], **{name: model.graph})
    return helper.make_model(helper.make_graph([node], "outer", [], []))


def test_what_repeats_a_graph_may_not_end() -> None:
    loop = endless_graph()
    plain = helper.make_model(helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [], []))
    assert may_not_end(loop)
    assert not may_not_end(plain)
    assert not may_not_end(inside("If", plain))
    assert may_not_end(inside("If", loop))
    assert may_not_end(inside("Loop", plain))
    plain.functions.add().name = "f"
    assert may_not_end(plain)


def test_a_loop_that_ends_is_a_network_like_any_other() -> None:
    model = endless_graph(ends=True)
    network = OnnxNetwork(OnnxFile("n.onnx", model, {}, ""))
    (heatmaps,) = network.run(np.ones(_IMAGE, np.float32), ["heatmaps"])
    assert heatmaps.shape == (1, 17, 8, 8)


def test_a_loop_without_end_is_one_line_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEATPOOL_MAX_NETWORK_S", "1")
    begun = time.monotonic()
    with pytest.raises(HeatpoolError, match=r"n\.onnx does not come to its end on a blank image in 1 s"):
        OnnxNetwork(OnnxFile("n.onnx", endless_graph(), {}, ""))
    assert time.monotonic() - begun < onnx_trial._PATIENCE + 60


def growing_graph() -> onnx.ModelProto:
    """An endless loop that keeps 100 MB of each turn."""
    model = endless_graph()
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    body = loop.attribute[0].g
    fill = numpy_helper.from_array(np.ones(1, np.float32))
    body.node.append(helper.make_node("ConstantOfShape", ["size"], ["kept"], value=fill))
    body.output.append(helper.make_tensor_value_info("kept", TensorProto.FLOAT, ["n"]))
    loop.output.append("all")
    model.graph.initializer.append(numpy_helper.from_array(np.array([25_000_000]), "size"))
    return model


def test_a_loop_that_takes_all_memory_is_one_line() -> None:
    with pytest.raises(HeatpoolError, match=r"n\.onnx takes more than 900 MiB on a blank image"):
        try_model(growing_graph())


def test_what_ends_the_child_process_is_one_line() -> None:
    with pytest.raises(HeatpoolError, match=r"onnxruntime cannot run n\.onnx on a blank image: .*"):
        try_network(b"no network", "n.onnx", _IMAGE)


def endless_for_bright_images() -> onnx.ModelProto:
    model = endless_graph()
    (loop,) = (node for node in model.graph.node if node.op_type == "Loop")
    loop.input[1] = "bright"
    for at, node in enumerate((
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Cast", ["largest"], ["bright"], to=TensorProto.BOOL),
    )):  # fmt: skip
        model.graph.node.insert(at, node)
    return model


def test_a_loop_that_ends_for_some_images_only_is_ended_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    network = OnnxNetwork(OnnxFile("n.onnx", endless_for_bright_images(), {}, ""))
    network.run(np.zeros(_IMAGE, np.float32), ["heatmaps"])
    monkeypatch.setattr(onnx_trial, "_PATIENCE", 0.02)
    with pytest.raises(HeatpoolError, match=r"n\.onnx failed on 1 images: .*terminate"):
        network.run(np.ones(_IMAGE, np.float32), ["heatmaps"])
