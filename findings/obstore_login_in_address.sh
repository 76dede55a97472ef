#!/usr/bin/env bash
# obstore 0.12.1: HTTPStore takes an address with a login (http://user:word@host/), says nothing, and sends requests
# without it. requests, httpx and curl send it as basic authorization. Seen on Linux with Python 3.11; found when heatpool's
# reader of remote stores moved to obstore, which now sends the header itself (pool/sources/addresses.py).
# Prints the authorization header that a local server got, and fails if there is one.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check obstore==0.12.1 requests==2.34.2
"$work/venv/bin/python" - <<'PY'
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import obstore
import requests

got = []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        got.append(self.headers.get("Authorization"))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.send_header("Last-Modified", "Fri, 27 Nov 2026 10:00:00 GMT")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://reader:word@127.0.0.1:{server.server_port}"
assert requests.get(f"{address}/a", timeout=10).content == b"ok"
store = obstore.store.HTTPStore.from_url(address, client_options={"allow_http": True})
assert bytes(obstore.get(store, "a").bytes()) == b"ok"
print(f"obstore {obstore.__version__}: requests sends {got[0]!r}, obstore sends {got[1]!r}")
assert got[0].startswith("Basic ") and got[1] is None
PY
