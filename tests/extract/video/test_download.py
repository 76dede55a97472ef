"""Videos behind addresses: a local server that answers well, badly, and elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from heatpool.extract.video.download import download_video, public_address
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.web_server import serving

QUOTED = "/%D0%B2%20%2B.mp4"
BODY = bytes(range(256)) * 40


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        place = {
            "/to/video.mp4": "/video.mp4",
            "/to/file": "file:///etc/hostname",
            "/to/ftp": "ftp://localhost/a.mp4",
            "/to/itself": "/to/itself",
        }.get(self.path)
        if place:
            self.send_response(302)
            self.send_header("Location", place)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/rude.mp4":
            self.send_error(503, "busy\x1b[31m\x07")
        elif self.path.partition("?")[0] in ("/video.mp4", "/short.mp4", "/huge.mp4", "/odd.mp4", QUOTED):
            self.send_response(200)
            lengths = {"/short.mp4": len(BODY) + 5, "/huge.mp4": 10**15, "/odd.mp4": "many"}
            claimed = lengths.get(self.path, len(BODY))
            self.send_header("Content-Length", str(claimed))
            self.end_headers()
            self.wfile.write(BODY)
        else:
            self.send_error(404)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(_Handler) as address:
        yield address


@pytest.mark.parametrize("path", ["/video.mp4", "/video.mp4?key=secret", "/to/video.mp4"])
def test_a_video_is_fetched_whole(server: str, tmp_path: Path, path: str) -> None:
    found = download_video(server + path, tmp_path)
    assert found == tmp_path / "video.mp4"
    assert found.read_bytes() == BODY


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/none.mp4", r"none.mp4: cannot be fetched \(.*404"),
        ("/short.mp4", "ended after 10240 of 10245 bytes|cannot be fetched .*IncompleteRead"),
        ("/huge.mp4", "1000000.0 GB, there is room for"),
        ("/to/file", "cannot be fetched"),  # a server leads to other servers, never to files here
        ("/to/ftp", "cannot be fetched .*unknown url type: ftp"),
        ("/to/itself", "cannot be fetched"),
        ("/live.m3u8", "got a playlist; --follow plays it"),
    ],
)
def test_what_cannot_be_fetched_is_one_line(server: str, tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(HeatpoolError, match=reason) as error:
        download_video(f"{server}{path}", tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", [QUOTED, "/в +.mp4?ключ=1", "/odd.mp4"])
def test_other_scripts_and_odd_servers(server: str, tmp_path: Path, path: str) -> None:
    found = download_video(server + path.replace("+", "%2B"), tmp_path)
    assert found.name == ("odd.mp4" if path == "/odd.mp4" else "в +.mp4")
    assert found.read_bytes() == BODY


def test_a_server_does_not_write_into_the_terminal(server: str, tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match=r"\(HTTP Error 503: busy\[31m\)$"):
        download_video(f"{server}/rude.mp4", tmp_path)


def test_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match=r"^http://127\.0\.0\.1:9/a.mp4: cannot be fetched") as error:
        download_video("http://me:secret@127.0.0.1:9/a.mp4?key=secret", tmp_path)
    assert "secret" not in str(error.value)


def test_secrets_are_not_shown() -> None:
    assert public_address("https://me:word@host:8/a/b.mp4?key=1#t") == "https://host:8/a/b.mp4"
