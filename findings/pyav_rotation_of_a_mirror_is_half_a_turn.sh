#!/usr/bin/env bash
# PyAV 18.1.0: a video whose display matrix mirrors it left-right, as front cameras and editors write it, has frame.rotation -180.
# That is FFmpeg's av_display_rotation_get, which knows turns only; who turns by it shows people upside down. The matrix itself
# (side data DISPLAYMATRIX, nine int32 in the file's order) tells a flip from a turn: heatpool reads that (extract/video/display.py).
# Writes an MP4, mirrors it by its header, prints rotation and matrix of a mirrored and of a half-turned one, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io
import struct

import av
import numpy as np

film = io.BytesIO()
with av.open(film, "w", format="mp4") as container:
    stream = container.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for _ in range(3):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
    container.mux(stream.encode())
ONE, UNIT = 1 << 16, 1 << 30
PLAIN = (ONE, 0, 0, 0, ONE, 0, 0, 0, UNIT)


def shown(a: int, d: int) -> tuple[int, list[int]]:
    """Rotation and matrix of the video with x scaled by a and y by d, moved back into the frame."""
    matrix = (a * ONE, 0, 0, 0, d * ONE, 0, 64 * ONE * (a < 0), 48 * ONE * (d < 0), UNIT)
    header = film.getvalue()
    assert header.count(struct.pack(">9i", *PLAIN)) == 2  # of the movie, then of the track
    before, _, after = header.rpartition(struct.pack(">9i", *PLAIN))
    with av.open(io.BytesIO(before + struct.pack(">9i", *matrix) + after)) as container:
        frame = next(container.decode(video=0))
        (data,) = (each for each in frame.side_data if each.type.name == "DISPLAYMATRIX")
        return frame.rotation, np.frombuffer(bytes(data), np.int32)[[0, 1, 3, 4]].tolist()


mirrored, turned = shown(-1, 1), shown(-1, -1)
print(f"PyAV {av.__version__}: mirrored: rotation {mirrored[0]}, matrix {mirrored[1]}; half a turn: {turned[0]}, {turned[1]}")
assert abs(mirrored[0]) == abs(turned[0]) == 180
assert mirrored[1] == [-ONE, 0, 0, ONE] and turned[1] == [-ONE, 0, 0, -ONE]
PY
