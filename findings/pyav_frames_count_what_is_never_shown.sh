#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8): stream.frames is what a header counts, not what decodes. A trim without encoding (ffmpeg -ss 1 -c copy, and
# phones' own editors) keeps the samples from the key frame on and hides those before the cut by an edit list: frames and
# index_entries count the hidden ones, duration and decode() do not. An AVI with gaps has an empty chunk a missing picture: frames and
# duration count these, index_entries and decode() do not. Both files are whole: who takes a difference for damage
# throws good clips away, as heatpool did (extract/video/packets.py counts what can be shown).
# Makes both, prints all four counts, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io
from fractions import Fraction

import av
import numpy as np


def film(kind: str, codec: str, *, frames: int, step: int = 1) -> io.BytesIO:
    """Pictures at 25 a second, of which every `step`-th is there."""
    out = io.BytesIO()
    with av.open(out, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = step * number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    out.seek(0)
    return out


def trim(source: io.BytesIO, seconds: int) -> io.BytesIO:
    """Start later, without encoding: packets before the cut get negative times."""
    out = io.BytesIO()
    with av.open(source) as whole, av.open(out, "w", format="mp4") as container:
        video = whole.streams.video[0]
        stream = container.add_stream_from_template(video)
        for packet in whole.demux(video):
            if packet.dts is not None:
                packet.stream = stream
                packet.pts -= seconds / packet.time_base
                packet.dts -= seconds / packet.time_base
                container.mux(packet)
    out.seek(0)
    return out


def counts(file: io.BytesIO) -> tuple[int, int, int, int]:
    with av.open(file) as container:
        stream = container.streams.video[0]
        seconds = stream.duration * stream.time_base
        return stream.frames, len(stream.index_entries), round(25 * seconds), sum(1 for _ in container.decode(stream))


trimmed = counts(trim(film("mp4", "libx264", frames=60), 1))
gappy = counts(film("avi", "mpeg4", frames=30, step=2))
print(f"PyAV {av.__version__}, frames, index entries, duration x 25, decoded: trimmed MP4 {trimmed}, AVI with gaps {gappy}")
assert trimmed == (60, 60, 35, 35)
assert gappy == (59, 30, 59, 30)
PY
