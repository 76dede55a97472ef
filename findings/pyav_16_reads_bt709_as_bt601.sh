#!/usr/bin/env bash
# PyAV 16.1.0 and 17.1.0: frame.to_ndarray(format="rgb24") of a frame that says it is BT.709, as nearly all HD video does, converts
# with the matrix of BT.601 up to PyAV 16 and with that of the frame from PyAV 17 on. Greens and reds come out up to a tenth
# off, without a warning, though frame.colorspace tells the right one. Players and the ffmpeg program obey the tag.
# heatpool asks for PyAV 17.1 (setup.cfg): features of HD clips move by 2 % between the two.
# Writes a green picture as tagged H.264, reads it back by both, prints the colours, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
for version in 16.1.0 17.1.0; do
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check "av==$version" numpy==2.4.6
  "$work/venv/bin/python" - <<'PY'
import io

import av
import numpy as np
from av.video.reformatter import Colorspace

# (20, 160, 40) in BT.709's limited range: Y = 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B), and so on.
rgb = np.array([20, 160, 40]) / 255
luma = rgb @ [0.2126, 0.7152, 0.0722]
planes = [16 + 219 * luma, 128 + 224 * (rgb[2] - luma) / 1.8556, 128 + 224 * (rgb[0] - luma) / 1.5748]
y, u, v = (np.full((720 // part, 1280 // part), round(value), np.uint8) for value, part in zip(planes, (1, 2, 2)))
film = io.BytesIO()
with av.open(film, "w", format="mp4") as container:
    stream = container.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
    stream.codec_context.colorspace = Colorspace.ITU709.value
    stream.codec_context.color_primaries = stream.codec_context.color_trc = 1
    picture = np.concatenate([y.ravel(), u.ravel(), v.ravel()]).reshape(1080, 1280)
    for _ in range(3):
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="yuv420p")))
    container.mux(stream.encode())
film.seek(0)
with av.open(film) as container:
    frame = next(container.decode(video=0))
    tag, read = int(frame.colorspace), frame.to_ndarray(format="rgb24")[360, 640].astype(int)
error = int(abs(read - [20, 160, 40]).max())
print(f"PyAV {av.__version__}: colorspace {tag} (1 = BT.709), (20, 160, 40) is read as {tuple(read.tolist())}")
assert tag == 1
assert error >= 15 if av.__version__.startswith("16.") else error <= 3, error
PY
done
