"""Faults of ONNX networks (rows 2 and 15): odd outputs, and graphs that may not end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.faults_inputs import EXTRACT, Case, Inputs, Prepare
from benchmarks.material import encode

__all__ = ["endless_graph", "networks"]

_SIDE, _JOINTS, _MAPS = 32, 17, 8


def networks() -> Iterator[Case]:
    """Yield the cases."""
    onnx_words = EXTRACT.replace(
        "--backend tiny --detector tiny", "--backend onnx --detector full-frame --tap map"
    )
    words = f"extract {{in}}/clips.csv {{out}}/s.zarr {onnx_words} --limit 2 --weights {{out}}/n.onnx"
    for says, codes, make in (
        ("a heatmap output without a shape", (0,), lambda: _pose(declare=False)),
        ("an output of texts", (1,), lambda: _cast("texts", TensorProto.STRING)),
        ("an output of truth values", (1,), lambda: _cast("truths", TensorProto.BOOL)),
        ("SimCC vectors of unequal joints", (1,), _unequal),
        ("no joints", (1,), lambda: _pose(joints=0)),
        ("an input of 10^6 x 10^6 pixels", (1,), lambda: _pose(side=10**6)),
        ("no input but weights", (1,), _no_input),
    ):
        yield Case(15, f"ONNX: {says}", words, codes=codes, prepare=_saved(make))
    dark = words.replace("{in}/clips.csv", "{out}/clips.csv")
    says = "a network that gives NaN for one clip of two"
    yield Case(2, says, dark, "1 failed", codes=(3,), prepare=_dark_clip, note=_its_reason)
    yield Case(
        15, "ONNX: a loop without end", words, "does not come to its end", prepare=_saved(endless_graph)
    )


def _saved(make: Callable[[], onnx.ModelProto]) -> Prepare:
    def save(inputs: Inputs, out: Path) -> None:
        (out / "n.onnx").write_bytes(make().SerializeToString())

    return save


def _model(nodes: list[onnx.NodeProto], outputs: list[onnx.ValueInfoProto], weights: dict[str, np.ndarray],
           *, side: int = _SIDE, inputs: bool = True) -> onnx.ModelProto:  # fmt: skip
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])
    graph = helper.make_graph(
        nodes, "pose", [image] if inputs else [], outputs,
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def _weights(joints: int = _JOINTS) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "blocks": rng.random((_MAPS, 3, 4, 4), np.float32),
        "heads": rng.random((joints, _MAPS, 1, 1), np.float32),
    }


_NODES = (
    helper.make_node("Conv", ["x", "blocks"], ["map"], strides=[4, 4], kernel_shape=[4, 4]),
    helper.make_node("Conv", ["map", "heads"], ["heat"], kernel_shape=[1, 1]),
)


def _value(
    name: str, kind: int = TensorProto.FLOAT, shape: list[int | str] | None = None
) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _pose(*, joints: int = _JOINTS, side: int = _SIDE, declare: bool = True,
          extra: list[onnx.NodeProto] | None = None) -> onnx.ModelProto:  # fmt: skip
    """A heatmap network; with `extra` nodes, which make `heatmaps` of `heat` and the input `x`."""
    more = extra or [helper.make_node("Identity", ["heat"], ["heatmaps"])]
    shape: list[int | str] | None = [1, joints, side // 4, side // 4] if declare else None
    return _model([*_NODES, *more], [_value("heatmaps", shape=shape)], _weights(joints), side=side)


def _dark_clip(inputs: Inputs, out: Path) -> None:
    """A black clip beside another, and a network with the root of the largest value that it is given."""
    encode(out / "dark.mp4", [np.zeros((72, 96, 3), np.uint8)] * 8)
    rows = ["path,label", f"{inputs.folder / 'videos' / '00.mp4'},0", "dark.mp4,1"]
    (out / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    root = [
        helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
        helper.make_node("Sqrt", ["largest"], ["root"]),
        helper.make_node("Div", ["heat", "root"], ["heatmaps"]),
    ]
    (out / "n.onnx").write_bytes(_pose(extra=root).SerializeToString())


def _its_reason(out: Path) -> str:
    failures = (out / "s.zarr" / "failures.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert ["not finite" in each and "dark" in each for each in failures] == [True], failures
    return "values that are not finite"


def _cast(name: str, kind: int) -> onnx.ModelProto:
    cast = helper.make_node("Cast", ["heat"], ["heatmaps"], to=kind)
    return _model([*_NODES, cast], [_value("heatmaps", kind, [1, _JOINTS, 8, 8])], _weights())


def _unequal() -> onnx.ModelProto:
    weights = _weights() | {"axes_y": np.array([3], np.int64), "few": np.arange(5)}
    nodes = [
        *_NODES,
        helper.make_node("ReduceMean", ["heat"], ["simcc_x"], axes=[2], keepdims=0),
        helper.make_node("ReduceMean", ["heat"], ["whole"], axes=[3], keepdims=0),
        helper.make_node("Gather", ["whole", "few"], ["simcc_y"], axis=1),
    ]
    return _model(nodes, [_value("simcc_x", shape=[1, 17, 8]), _value("simcc_y", shape=[1, 5, 8])], weights)


def _no_input() -> onnx.ModelProto:
    weights = _weights() | {"x": np.zeros((1, 3, _SIDE, _SIDE), np.float32)}
    return _model(
        [*_NODES, helper.make_node("Identity", ["heat"], ["heatmaps"])],
        [_value("heatmaps", shape=[1, _JOINTS, 8, 8])], weights, inputs=False,
    )  # fmt: skip


def endless_graph(*, ends: bool = False) -> onnx.ModelProto:
    """A heatmap network behind a loop whose condition never becomes false, or does at once."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["again"]),
            helper.make_node("Identity", ["heat_in"], ["heat_out"]),
        ],
        "body",
        [_value("count", TensorProto.INT64, []), _value("go", TensorProto.BOOL, []), _value("heat_in")],
        [_value("again", TensorProto.BOOL, []), _value("heat_out")],
    )
    loop = helper.make_node("Loop", ["", "condition", "heat"], ["heatmaps"], body=body)
    weights = _weights() | {"condition": np.array(not ends)}
    return _model([*_NODES, loop], [_value("heatmaps", shape=[1, _JOINTS, 8, 8])], weights)
