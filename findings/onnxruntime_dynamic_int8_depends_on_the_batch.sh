#!/usr/bin/env bash
# onnxruntime 1.32.0: quantize_dynamic puts a DynamicQuantizeLinear before each layer, whose scale is that of the whole tensor,
# and so of the whole batch. What the network says of an image then depends on the images beside it: a pale one beside a vivid
# one is rounded to the steps of the vivid one. heatpool tries this when it loads a file, and runs such networks image
# by image.
# Runs one image alone and beside another, prints how far the answers are apart, and fails if they come to agree.
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
from onnxruntime.quantization import quantize_dynamic

logging.disable(logging.WARNING)
folder, rng = Path(sys.argv[1]), np.random.default_rng(0)
weight = numpy_helper.from_array(rng.normal(0, 0.2, (8, 3, 3, 3)).astype(np.float32), "w")
ends = [[helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", c, None, None])] for n, c in (("x", 3), ("y", 8))]
graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"])], "small", *ends, [weight])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), folder / "float.onnx")
quantize_dynamic(folder / "float.onnx", folder / "int8.onnx")
vivid = rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
pale = 0.05 * rng.normal(size=(1, 3, 16, 16)).astype(np.float32)
apart = {}
for name in ("float.onnx", "int8.onnx"):
    session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
    alone = session.run(None, {"x": pale})[0]
    beside = session.run(None, {"x": np.concatenate([pale, vivid])})[0][:1]
    apart[name] = float(np.abs(alone - beside).max() / np.abs(alone).max())
print(f"an image alone and beside another: {apart['float.onnx']:.1%} apart in float32, {apart['int8.onnx']:.1%} in int8")
assert apart["float.onnx"] < 1e-5 < 0.01 < apart["int8.onnx"]
PY
