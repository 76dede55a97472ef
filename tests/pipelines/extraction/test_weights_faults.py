"""Damaged weights of every backend: one line, exit code 1, no store begun and none harmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save_file

from heatpool.pipelines.cli import main
from tests.conftest import VideoMaker
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_hrnet, save_vitpose, save_yolo_detector, save_yolo_pose
from tests.pipelines.extraction.cluster_cases import array_bytes


def save_hrnet_safetensors(path: Path) -> Path:
    save_file({name: value.contiguous() for name, value in narrow().state_dict().items()}, path)
    return path


# Backend: what saves its weights, the file of them, the options that name it.
BACKENDS: dict[str, tuple[Callable[[Path], Path], str, str]] = {
    "yolo-pose": (save_yolo_pose, "w.pt", "--backend yolo-pose --weights {}"),
    "vitpose": (save_vitpose, "vit", "--backend vitpose --detector full-frame --weights {}"),
    "hrnet-simcc": (save_hrnet, "w.pth", "--backend hrnet-simcc --detector full-frame --weights {}"),
    "hrnet-safetensors": (
        save_hrnet_safetensors,
        "w.safetensors",
        "--backend hrnet-simcc --detector full-frame --weights {}",
    ),
    "onnx": (heatmap_network, "w.onnx", "--backend onnx --detector full-frame --tap brightness --weights {}"),
    "detector": (save_yolo_detector, "d.pt", "--backend tiny --detector {}"),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Weights of a backend, made once."""
    folder, made = tmp_path_factory.mktemp("weights"), dict[str, Path]()

    def save(backend: str) -> Path:
        if backend == "vitpose":
            pytest.importorskip("transformers")
        if backend not in made:
            saver, name, _ = BACKENDS[backend]
            made[backend] = saver(folder / name)
        return made[backend]

    return save


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def empty(data: bytes) -> bytes:
    return b""


def flipped_head(data: bytes) -> bytes:
    """64 flipped bits in the first 256 bytes, where formats say what follows."""
    changed = bytearray(data)
    for place in np.random.default_rng(0).integers(256, size=64):
        changed[place] ^= 1 << int(place % 8)
    return bytes(changed)


def zeros(data: bytes) -> bytes:
    return bytes(len(data))


@pytest.mark.parametrize("damage", [cut, empty, flipped_head, zeros])
@pytest.mark.parametrize("backend", BACKENDS)
def test_damaged_weights_are_one_line(
    saved: Callable[[str], Path],
    make_video: VideoMaker,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    backend: str,
    damage: Callable[[bytes], bytes],
) -> None:
    source = saved(backend)
    weights = tmp_path / source.name
    if source.is_dir():
        shutil.copytree(source, weights)
        file = weights / "model.safetensors"
    else:
        file = weights
    file.write_bytes(damage((source / file.name if source.is_dir() else source).read_bytes()))
    make_video([np.full((48, 64, 3), 99, np.uint8)] * 4, "videos/0.mp4")
    out = tmp_path / "x.zarr"
    words = BACKENDS[backend][2].format(weights).split()
    common = ["--videos", str(tmp_path / "videos"), "--out", str(out), "--device", "cpu", "--threads", "1"]
    capsys.readouterr()
    assert main(["extract", *common, "--quiet", *words]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert said[0].startswith("heatpool extract: expected ")
    assert weights.name in said[0] or file.name in said[0]
    assert not out.exists()


def test_weights_that_changed_do_not_go_on_with_a_store(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A flipped bit among the numbers gives other numbers, which no reader notices; the store does."""
    network = heatmap_network(tmp_path / "w.onnx")
    for number in range(2):
        make_video([np.full((48, 64, 3), 99, np.uint8)] * 4, f"videos/{number}.mp4")
    out = tmp_path / "x.zarr"
    words = [
        "--backend",
        "onnx",
        "--tap",
        "brightness",
        "--detector",
        "full-frame",
        "--weights",
        str(network),
    ]
    common = [
        "extract",
        "--videos",
        str(tmp_path / "videos"),
        "--out",
        str(out),
        "--device",
        "cpu",
        "--quiet",
    ]
    assert main([*common, *words]) == 0
    before, content = array_bytes(out), bytearray(network.read_bytes())
    at = content.index(np.float32(1 / 48).tobytes())
    content[at] ^= 1
    network.write_bytes(content)
    (out / "journal").joinpath("0000000.json").unlink()  # one shard is to be done again
    capsys.readouterr()
    assert main([*common, *words, "--resume"]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1, said
    assert "weights" in said[0]
    assert array_bytes(out) == before
