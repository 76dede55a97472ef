"""Checkpoints and ONNX files that claim far more than they hold."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec

import torch

from benchmarks.claims_files import HUGE, Claim, Maker, zip_members

__all__ = ["networks"]


def networks(maker: Maker) -> Iterator[Claim]:
    out = maker.path
    width, heads = "stage2.0.branches.0.0.conv1.weight", ("final_layer.weight",)
    one = torch.zeros(1)
    tensors = {width: one.expand(10**9, 1, 3, 3), heads[0]: one.expand(10**9, 1, 1, 1)}
    torch.save(tensors, out("expanded.pth"))
    torch.save({width: torch.zeros(1_000_000, 1, 1, 1), heads[0]: torch.zeros(17, 1, 1, 1)}, out("wide.pth"))
    torch.save(
        {width: one.half().expand(10**12, 1, 1, 1), heads[0]: torch.zeros(17, 1, 1, 1)}, out("half.pth")
    )
    torch.save({width: torch.zeros(75_000_000)}, out("stored.pth"))
    with zipfile.ZipFile(out("stored.pth")) as stored:
        zip_members(out("inflates.pth"), {name: stored.read(name) for name in stored.namelist()})
    out("stored.pth").unlink()
    clips = out("one.csv")
    for name, says in {
        "expanded.pth": "10^9 channels of one number", "wide.pth": "10^6 channels",
        "half.pth": "10^12 channels of one number", "inflates.pth": "300 MB of zeros, compressed",
    }.items():  # fmt: skip
        words = ("extract", str(clips), f"{out(name)}.zarr", "--backend", "hrnet-simcc", "--threads", "1")
        yield Claim("HRNet .pth", says, (*words, "--detector", "full-frame", "--weights", str(out(name))))
    head = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()
    for name, data in {
        "header": struct.pack("<Q", HUGE) + b"{}",
        "values": struct.pack("<Q", len(head)) + head,
    }.items():
        path = out(f"{name}.safetensors")
        path.write_bytes(data)
        words = ("extract", str(clips), f"{path}.zarr", "--backend", "hrnet-simcc", "--threads", "1")
        yield Claim(
            "HRNet .safetensors",
            f"10^12 {name}",
            (*words, "--detector", "full-frame", "--weights", str(path)),
        )
    if find_spec("onnx"):
        yield from _onnx(maker)


def _onnx(maker: Maker) -> Iterator[Claim]:
    from onnx import TensorProto, helper

    for name, side, count in (("input", 10**6, 1), ("initializer", 64, HUGE)):
        shape = [1, 3, side, side]
        held = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[count])
        if count == 1:
            held.float_data.append(1.0)
        graph = helper.make_graph(
            [helper.make_node("Mul", ["x", "w"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [held],
        )
        path = maker.path(f"{name}.onnx")
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        path.write_bytes(model.SerializeToString())
        words = ("extract", str(maker.path("one.csv")), f"{path}.zarr", "--backend", "onnx", "--tap", "y")
        says = "an input of 10^6 x 10^6 pixels" if name == "input" else "10^12 constants"
        yield Claim("ONNX", says, (*words, "--detector", "full-frame", "--weights", str(path)))
