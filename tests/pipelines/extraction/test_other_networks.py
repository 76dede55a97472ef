"""Features of two networks never come into one store, whatever file it is in which these differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest

from heatpool.extract.datasets.folder import read_videos
from heatpool.pipelines.cli import main
from heatpool.pipelines.options import PredictOptions
from heatpool.pipelines.training.prediction.networks import plan_extraction
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.resume import NETWORK, find_difference
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import constant_network, heatmap_network
from tests.fixtures.small_weights import save_vitpose

Change = Callable[[Path], None]


def save_onnx(folder: Path) -> list[str]:
    """A network whose weights lie beside it, and a detector that finds the whole frame."""
    network = heatmap_network(folder / "pose.onnx")
    onnx.save(onnx.load(network), network, save_as_external_data=True, location="pose.data", size_threshold=0)
    save_detector(folder, right=64)
    options = f"--backend onnx --weights {network} --tap brightness --detector {folder / 'person.onnx'}"
    return options.split()


def save_detector(folder: Path, *, right: int) -> None:
    rows = np.zeros((1, 300, 6))
    rows[0, 0] = 0, 8, right, 56, 0.9, 0
    constant_network(folder / "person.onnx", {"output0": rows})


def save_transformers(folder: Path) -> list[str]:
    pytest.importorskip("transformers")
    save_vitpose(folder / "vit")
    return f"--backend vitpose --weights {folder / 'vit'} --detector full-frame".split()


def change_weights_beside(folder: Path) -> None:
    content = (folder / "pose.data").read_bytes()
    (folder / "pose.data").write_bytes(bytes([content[0] ^ 1]) + content[1:])


def change_detector(folder: Path) -> None:
    save_detector(folder, right=32)


def change_settings(folder: Path) -> None:
    config = json.loads((folder / "vit" / "config.json").read_text())
    config["backbone_config"]["hidden_act"] = "relu"
    (folder / "vit" / "config.json").write_text(json.dumps(config))


def change_preprocessing(folder: Path) -> None:
    said = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
    (folder / "vit" / "preprocessor_config.json").write_text(json.dumps(said))


CASES = [
    (save_onnx, change_weights_beside, "weights_sha256"),
    (save_onnx, change_detector, "config.network.detector_sha256"),
    (save_transformers, change_settings, "config.network.settings.hidden_act: 'gelu' in the store, 'relu'"),
    (save_transformers, change_preprocessing, "config.network.crop.mean"),
]


@pytest.mark.parametrize(("save", "change", "said"), CASES)
def test_resume_append_and_merge_refuse_another_network(
    make_video: VideoMaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    save: Callable[[Path], list[str]],
    change: Change,
    said: str,
) -> None:
    for name in ("first/a", "second/b"):
        make_video([np.full((96, 128, 3), 90, np.uint8)] * 4, f"{name}.mp4")
    networks = save(tmp_path)

    def extract(*options: str | Path) -> int:
        common = [*networks, "--steps", "2", "--device", "cpu", "--threads", "1", "--quiet"]
        return main(["extract", *map(str, (*options, *common))])

    first, out = tmp_path / "first", tmp_path / "x.zarr"
    assert extract(first, out) == 0
    assert extract(first, out, "--resume") == 0
    change(tmp_path)
    assert extract(tmp_path / "second", tmp_path / "y.zarr") == 0
    capsys.readouterr()
    attempts = (
        lambda: extract(first, out, "--resume"),
        lambda: extract(tmp_path / "second", out, "--append"),
        lambda: main(["archive", "merge", str(out), f"{tmp_path}/y.zarr", "--out", f"{tmp_path}/z.zarr"]),
    )
    for attempt in attempts:
        assert attempt() == 1
        assert said in capsys.readouterr().err
    assert not (tmp_path / "z.zarr").exists()


@pytest.mark.parametrize("change", [change_settings, change_detector])
def test_predict_refuses_another_pose_network_and_takes_another_detector(
    make_video: VideoMaker, tmp_path: Path, change: Change
) -> None:
    make_video([np.full((96, 128, 3), 90, np.uint8)] * 4, "videos/a.mp4")
    networks = save_transformers(tmp_path) if change is change_settings else save_onnx(tmp_path)
    out = tmp_path / "x.zarr"
    arguments = ["extract", tmp_path / "videos", out, *networks, "--steps", "2", "--threads", "1", "--quiet"]
    assert main([*map(str, arguments), "--device", "cpu"]) == 0
    run = json.loads((out / "run.json").read_text())
    spec = {"config": FeatureStore.open(out).spec.config, "backbone": networks[1]}
    summary = {"extraction": {"spec": spec, "options": run["options"]}, "class_names": []}
    options = PredictOptions(tmp_path, videos=tmp_path / "videos", device="cpu", threads=1, quiet=True)

    def plan() -> None:
        plan_extraction(options, summary, read_videos(tmp_path / "videos"), out=tmp_path / "new.zarr")

    plan()
    change(tmp_path)
    if change is change_detector:
        plan()
    else:
        with pytest.raises(HeatpoolError, match=r"the run.*network\.settings\.hidden_act: 'gelu'"):
            plan()


def test_what_an_earlier_build_did_not_record_is_not_compared() -> None:
    known = {"detector_sha256": "ab", "crop": {"mean": 1, "new": 2}}
    new = {"config": {"dtype": "float32", NETWORK: known}}
    assert not find_difference({"config": {"dtype": "float32"}}, new)
    assert not find_difference({"config": {"dtype": "float32", NETWORK: {"crop": {"mean": 1}}}}, new)
    assert "crop.mean" in find_difference(
        {"config": {"dtype": "float32", NETWORK: {"crop": {"mean": 2}}}}, new
    )
    later = {"config": new["config"], "steps": 4}
    assert find_difference({"config": {"dtype": "float32"}, "steps": 8}, later).startswith("steps: 8")
    assert "dtype: nothing" in find_difference({"config": {}}, new)
