#!/usr/bin/env bash
# obstore 0.12.1: retry_config is about requests, not about what they carry. A body that ends before its Content-Length (a
# server or proxy that drops the connection in the middle of a large chunk) is one error after one request, whatever
# max_retries says; an answer 503 is asked for again. Seen on Linux with Python 3.11; heatpool counts tries itself
# (pool/sources/remote.py).
# Prints the requests that a local server got in both cases, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check obstore==0.12.1
"$work/venv/bin/python" - <<'PY'
import threading
from collections import Counter
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import obstore

asked = Counter()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        asked[self.path] += 1
        busy = self.path == "/busy" and asked[self.path] < 3
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", "0" if busy else "100")
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
        self.end_headers()
        if not busy:
            self.wfile.write(b"x" * (100 if self.path == "/busy" else 40))

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
store = obstore.store.HTTPStore.from_url(
    f"http://127.0.0.1:{server.server_port}",
    client_options={"allow_http": True},
    retry_config={
        "max_retries": 5,
        "retry_timeout": timedelta(seconds=20),
        "backoff": {"init_backoff": timedelta(milliseconds=10), "max_backoff": timedelta(milliseconds=20), "base": 2},
    },
)
assert len(bytes(obstore.get(store, "busy").bytes())) == 100
try:
    obstore.get(store, "cut").bytes()
    ended = "without an error"
except Exception as error:
    ended = f"with {type(error).__name__}"
print(f"obstore {obstore.__version__}: /busy asked {asked['/busy']} times; /cut asked {asked['/cut']} time, {ended}")
assert asked == {"/busy": 3, "/cut": 1} and ended != "without an error"
PY
