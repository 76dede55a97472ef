#!/usr/bin/env bash
# onnxruntime 1.32.0: quantize_static in the format QDQ takes a Relu out of the graph where the QuantizeLinear behind it cuts
# negative values off as well, and gives the name of its output to what was before it. So the tensor "relu" of the int8 file
# is not rectified: who reads it by name, as one reads the float file, gets negative values that no layer of the
# network ever sees. heatpool reads such a tap behind its quantisation, as the next layer does.
# Quantises a small network, prints the least value of the same tensor before and after, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6 sympy
"$work/venv/bin/python" - "$work" <<'PY'
import logging
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantFormat, quantize_static

logging.disable(logging.WARNING)
folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
weights = [
    numpy_helper.from_array(rng.normal(0, 0.2, shape).astype(np.float32), name)
    for name, shape in {"w1": (8, 3, 3, 3), "w2": (4, 8, 1, 1)}.items()
]
nodes = [
    helper.make_node("Conv", ["x", "w1"], ["conv"]),
    helper.make_node("Relu", ["conv"], ["relu"]),
    helper.make_node("Conv", ["relu", "w2"], ["y"]),
]
ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, c, None, None])] for n, c in (("x", 3), ("y", 4))]
graph = helper.make_graph(nodes, "small", *ends, weights)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "float.onnx")
images = rng.normal(size=(8, 1, 3, 16, 16)).astype(np.float32)


class Reader:
    def __init__(self):
        self.left = iter(images)

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {"x": image}


quantize_static(folder / "float.onnx", folder / "int8.onnx", Reader(), quant_format=QuantFormat.QDQ)
least = {}
for name in ("float.onnx", "int8.onnx"):
    model = onnx.load(folder / name)
    model.graph.output.append(helper.make_empty_tensor_value_info("relu"))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    least[name] = float(session.run(["relu"], {"x": images[0]})[0].min())
print(f'least value of the tensor "relu": {least["float.onnx"]:.2f} in float32, {least["int8.onnx"]:.2f} in int8')
assert least["float.onnx"] == 0.0 > least["int8.onnx"]
PY
