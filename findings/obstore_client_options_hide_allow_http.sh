#!/usr/bin/env bash
# obstore 0.12.1 (0.11.0 too): AWS_ALLOW_HTTP=true lets an S3 store talk to a server without encryption (MinIO), until
# client_options are given, even empty ones: they replace all client settings of the environment, and every request
# fails with "builder error", which names neither. Seen on Linux with Python 3.11; found when heatpool, which sets
# time-outs there, could not read from http://localhost:9000. It now sets allow_http itself (pool/sources/addresses.py).
# Prints what a local server's object reads as, with and without client_options, and fails if that changes.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check obstore==0.12.1
"$work/venv/bin/python" - <<'PY'
import os
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import obstore


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {"AWS_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "AWS_ALLOW_HTTP": "true", "NO_PROXY": "*"}
os.environ |= {"AWS_REGION": "us-east-1", "AWS_SKIP_SIGNATURE": "true"}


def read(**options):
    try:
        return bytes(obstore.get(obstore.store.from_url("s3://bucket/", **options), "a").bytes())
    except Exception as error:
        return str(error).splitlines()[0].rpartition(" - ")[2]


plain, empty = read(), read(client_options={})
print(f"obstore {obstore.__version__}: without client_options {plain!r}; with {{}} {empty!r}")
assert plain == b"ok" and "builder error" in empty
assert read(client_options={"allow_http": True}) == b"ok"
PY
