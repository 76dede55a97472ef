"""Which networks are chosen out of what is available locally, and by what options say."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.weights_search import WeightsSearchPath
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_hrnet, save_yolo_detector, save_yolo_pose
from tests.pipelines.extraction.choose_cases import chosen, put, put_hub


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


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    put(tmp_path, "x.pt", "x.pth", "x.bin")
    for name in ("x.pt", "x.pth", "x.bin"):
        with pytest.raises(HeatpoolError, match=name):
            chosen(tmp_path, weights=str(tmp_path / name))


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


def test_every_command_with_networks_has_their_options() -> None:
    assert issubclass(ExtractOptions, NetworkOptions)
    with pytest.raises(TypeError):
        NetworkOptions("tiny")  # type: ignore[misc]


_FILE = {"backend": "onnx", "detector": "full-frame", "weights": "p.onnx"}


@pytest.mark.parametrize(
    ("given", "device", "dtype"),
    [
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cuda", "float16"),
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cpu", "float32"),
        ({"backend": "hrnet-simcc", "detector": "full-frame", "dtype": "bfloat16"}, "cpu", "bfloat16"),
        ({"backend": "hrnet-simcc", "detector": "full-frame", "batchnorm": "published"}, "cuda", "float32"),
        ({"backend": "tiny", "detector": "tiny"}, "cuda", "float32"),
        ({**_FILE, "dtype": "bfloat16", "runtime": "openvino"}, "cpu", "bfloat16"),
        ({**_FILE, "runtime": "openvino"}, "cpu", "float32"),
    ],
)
def test_the_dtype_is_decided_with_the_networks(
    tmp_path: Path, given: dict[str, object], device: str, dtype: str
) -> None:
    put(tmp_path, "pose_hrnet_w32_256x192.pth")
    put(tmp_path, "p.onnx")
    options = NetworkOptions(fetch=False, **given)  # type: ignore[arg-type]
    path = WeightsSearchPath((tmp_path,))
    assert choose_networks(options, demo=False, device=device, search_path=path).dtype == dtype


@pytest.mark.parametrize(
    ("given", "device", "frames"),
    [
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cpu", 8),
        ({"backend": "hrnet-simcc", "detector": "full-frame"}, "cuda", 32),
        ({"backend": "tiny", "detector": "tiny"}, "cpu", 32),
        ({"backend": "tiny", "detector": "tiny", "frame_batch": 5}, "cpu", 5),
    ],
)
def test_frames_looked_at_together(
    tmp_path: Path, given: dict[str, object], device: str, frames: int
) -> None:
    put(tmp_path, "pose_hrnet_w32_256x192.pth")
    options = NetworkOptions(fetch=False, **given)  # type: ignore[arg-type]
    path = WeightsSearchPath((tmp_path,))
    assert choose_networks(options, demo=False, device=device, search_path=path).frame_batch == frames


def test_a_dtype_that_the_backend_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="expected --dtype float32 with --backend tiny, with"):
        chosen(tmp_path, backend="tiny", detector="tiny", dtype="float16")
