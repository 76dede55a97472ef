#!/usr/bin/env bash
# PyAV 18.1.0 (FFmpeg 8): a video over HTTP whose answer has neither a length nor chunks, ended by closing the connection as HTTP/1.0
# does, is taken for a broken one: decode() raises OSError (EIO) behind the last packet. All packets came, but the frames that the
# decoder still holds are lost unless one asks for them: stream.decode(None). The same bytes in chunks end well.
# Cameras and small servers send such answers; `heatpool predict --follow` asks for the held frames.
# Serves 30 frames of MPEG-TS both ways from this machine, counts what comes, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check av==18.1.0 numpy==2.4.6
"$work/venv/bin/python" - <<'PY'
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import numpy as np

film = io.BytesIO()
with av.open(film, "w", format="mpegts") as container:
    stream = container.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
    for number in range(30):
        picture = np.full((48, 64, 3), 20 + 3 * number, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    container.mux(stream.encode())
data = film.getvalue()


def serve(chunked: bool) -> str:
    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if chunked else "HTTP/1.0"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked") if chunked else None
            self.end_headers()
            self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data) if chunked else data)

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/film.ts"


def read(address: str) -> tuple[int, int, str]:
    came = held = 0
    ended = "well"
    with av.open(address, timeout=10) as container:
        stream = container.streams.video[0]
        try:
            for _ in container.decode(stream):
                came += 1
        except OSError as error:
            ended = type(error).__name__
            held = len(stream.decode(None))
    return came, held, ended


chunks, plain = read(serve(True)), read(serve(False))
print(f"PyAV {av.__version__}, 30 frames: in chunks {chunks}, until the connection closes {plain} (came, held back, ended)")
assert chunks == (30, 0, "well")
assert plain[2] != "well" and plain[0] < 30 and sum(plain[:2]) == 30
PY
