#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8.1.2, x86-64, two hardware threads): `VideoFrame.reformat` to another size in several threads, its default, now and
# then makes other pixels of the same yuv420p10le frame; of yuv420p it does not, and with `threads=1` never. heatpool scales such
# frames in one thread (extract/video/display.py, extract/video/nvdec.py).
# Prints of how many of 2,000 conversions the pixels differ, by kind and threads, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import av
import numpy as np

rgb = np.random.default_rng(0).integers(0, 255, (480, 704, 3), dtype=np.uint8)


def pixels(frame: av.VideoFrame, value_bytes: int) -> list[np.ndarray]:
    """What is seen of each plane, without what its rows are padded with."""
    rows = ((np.frombuffer(plane, np.uint8).reshape(plane.height, -1), plane.width) for plane in frame.planes)
    return [values[:, : width * value_bytes].copy() for values, width in rows]


different = {}
for kind, value_bytes in (("yuv420p", 1), ("yuv420p10le", 2)):
    frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=kind, threads=1)
    wanted = pixels(frame.reformat(width=938, height=480, threads=1), value_bytes)
    for threads in (1, None):
        tries = (pixels(frame.reformat(width=938, height=480, threads=threads), value_bytes) for _ in range(2000))
        different[kind, threads] = sum(
            any((mine != theirs).any() for mine, theirs in zip(each, wanted, strict=True)) for each in tries
        )
print(f"PyAV {av.__version__}: {different}")
assert different.pop(("yuv420p10le", None)) > 0 and not any(different.values())
PY
