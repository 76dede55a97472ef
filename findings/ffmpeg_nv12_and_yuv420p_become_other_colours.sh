#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1.2, x86-64): the same picture becomes other RGB when it is laid out as NV12, which GPUs decode to, and not as
# yuv420p: of yuv420p each chroma value is repeated over its four pixels, of NV12 it is interpolated. Converted to yuv420p first, which only
# moves bytes, both give the same RGB to the bit; 10 bits (P010, yuv420p10le) agree as they are. heatpool does so (extract/video/nvdec.py).
# Prints the largest difference of a value of noise, of 255, with and without that step, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np

rng = np.random.default_rng(0)
planar = av.VideoFrame(64, 48, "yuv420p")
for plane in planar.planes:
    plane.update(rng.integers(0, 256, plane.buffer_size, dtype=np.uint8).tobytes())
nv12 = planar.reformat(format="nv12")
ways = {"NV12": nv12, "NV12 by way of yuv420p": nv12.reformat(format="yuv420p")}
wanted = planar.to_ndarray(format="rgb24").astype(int)
found = {way: int(np.abs(frame.to_ndarray(format="rgb24") - wanted).max()) for way, frame in ways.items()}
print(f"PyAV {av.__version__}: {found}")
assert found["NV12"] > 50 and found["NV12 by way of yuv420p"] == 0
PY
