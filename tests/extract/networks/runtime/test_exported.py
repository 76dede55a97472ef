"""Networks that onnxruntime and OpenVINO run give what torch gives; exports are kept, and mended."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.runtime.graph_cache import GraphCache
from heatpool.extract.networks.runtime.openvino_session import import_openvino
from heatpool.extract.networks.runtime.runner import Runtime, make_runner
from heatpool.extract.networks.tiny import load_tiny_backbone
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_layers import YoloLayers
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, FramePersons, PoseBatch
from heatpool.pool.errors import HeatpoolError
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.crops import noise_crops
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_vitpose, save_yolo_pose

RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")

if find_spec("openvino") is None:  # asked for, not imported: an import reports home
    pytest.skip("the extra [openvino] is not installed", allow_module_level=True)

HAS_BFLOAT16 = "BF16" in import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An empty cache, shared by these tests: each network is exported once."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder / "heatpool" / "runtime"


def top_down(kind: str, folder: Path) -> Any:
    """Return what builds a small pose network."""
    if kind == "tiny":
        return load_tiny_backbone
    if kind == "vitpose":
        pytest.importorskip("transformers")
        return partial(VitPose, save_vitpose(folder / "vitpose"), taps=("last", "layer1"))
    network = partial(narrow, split_ratio=None if kind == "hrnet with heatmaps" else 2.0)
    return lambda **options: HRNetBackbone(network(), taps=("stage4_branch1", "stage4_out"), **options)


SLOW = pytest.mark.slow  # torch takes 15 s to export the thousand layers of an HRNet, however narrow
KINDS = [
    "tiny",
    "vitpose",
    pytest.param("hrnet", marks=SLOW),
    pytest.param("hrnet with heatmaps", marks=SLOW),
]


@pytest.mark.parametrize("kind", KINDS)
def test_pose_networks_give_what_they_give_in_torch(kind: str, tmp_path: Path) -> None:
    build = top_down(kind, tmp_path)
    wanted = build()
    crops = noise_crops(3, wanted.crop.height_px, wanted.crop.width_px)
    exact = wanted.forward(crops)
    for runtime in RUNTIMES:
        found = build(runtime=runtime).forward(crops)
        torch.testing.assert_close(found.joints_xy_px, exact.joints_xy_px, atol=0.01, rtol=0)
        torch.testing.assert_close(found.scores, exact.scores, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.heatmaps, exact.heatmaps, atol=1e-4, rtol=0)
        assert len(found.maps) == len(exact.maps)
        for one, other in zip(found.maps, exact.maps, strict=True):
            assert one.shape == other.shape
            assert (one - other).abs().max() <= 1e-3 * other.abs().max()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_yolo_pose(tmp_path_factory.mktemp("yolo") / "pose.pt")


def frame(height: int, width: int, seed: int = 0) -> Frame:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Frame(0, seed, 0.0, pixels)


def people(checkpoint: Path, frames: list[Frame], **options: Any) -> list[FramePersons]:
    # The 300 surest of thousands of candidates with random weights would not be the same ones.
    network = YoloPose(load_ultralytics(checkpoint), image_px=96, min_score=1e-9, **options)
    return network.estimate([network.prepare(each) for each in frames])


def test_yolo_networks_give_what_they_give_in_torch(checkpoint: Path, cache: Path) -> None:
    """Before the choice of persons: with random weights scores lie at every threshold."""
    before = len(list(cache.glob("*.onnx")))
    images = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))

    def answers(runtime: Runtime) -> tuple[Tensor, ...]:
        layers = YoloLayers(load_ultralytics(checkpoint).model, (16,), exported=runtime != "torch")
        with torch.inference_mode():
            return make_runner(layers, runtime=runtime, title="YOLO")(images)

    exact_rows, exact_map = answers("torch")
    for runtime in RUNTIMES:
        rows, map_ = answers(runtime)
        torch.testing.assert_close(rows, exact_rows, atol=0.01, rtol=0)  # boxes and joints, in pixels
        torch.testing.assert_close(map_, exact_map, atol=1e-3 * float(exact_map.abs().max()), rtol=0)
        assert len(people(checkpoint, [frame(96, 96)], runtime=runtime)[0].detections)
    assert len(list(cache.glob("*.onnx"))) == before + 1  # one graph, for both


class Doubling(nn.Module):
    """A network of one layer."""

    def __init__(self, by: float = 2.0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 2, 1, bias=False)
        nn.init.constant_(self.layer.weight, by)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        found: Tensor = self.layer(images)
        return found, found.mean((2, 3))


def graphs(folder: Path, by: float = 2.0) -> GraphCache:
    return GraphCache(Doubling(by), title="it", folder=folder)


def test_an_export_is_made_once_and_again_where_it_is_damaged_and_old_ones_make_room(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "heatpool")
    first = graphs(tmp_path).graph((4, 6))
    assert [each.levelname for each in caplog.records] == ["INFO"]  # how long it took
    (file,) = tmp_path.iterdir()
    caplog.clear()
    assert graphs(tmp_path).graph((4, 6)) == first
    assert not caplog.records
    file.write_bytes(file.read_bytes()[:-1])
    assert graphs(tmp_path).graph((4, 6)) == first
    assert "is damaged: the network is exported again" in caplog.text
    monkeypatch.setattr("heatpool.extract.networks.runtime.graph_cache._MOST_BYTES", 100)
    assert graphs(tmp_path, by=3.0).graph((4, 6)) != first  # other weights
    assert len(list(tmp_path.iterdir())) == 1


def test_each_size_of_the_input_has_its_graph() -> None:
    network = Doubling()
    for runtime in RUNTIMES:
        run = make_runner(network, title="it", runtime=runtime)
        for size in ((4, 6), (2, 8), (4, 6)):
            images = torch.rand(3, 3, *size)
            for found, wanted in zip(run(images), network(images), strict=True):
                torch.testing.assert_close(found, wanted)


def test_what_cannot_be_exported_is_said_in_one_line(tmp_path: Path) -> None:
    class Deciding(Doubling):
        def forward(self, images: Tensor) -> tuple[Tensor, ...]:
            return super().forward(images) if images.mean().item() > 0 else (images,)

    with pytest.raises(HeatpoolError, match=r"^it cannot be exported, run it by --runtime torch: [^\n]+$"):
        GraphCache(Deciding(), title="it", folder=tmp_path).graph((4, 6))
    assert not list(tmp_path.glob("*.onnx"))


def test_bfloat16_is_openvinos_alone_and_float32_is_float32() -> None:
    images = torch.rand(5, 3, 4, 6)
    exact = Doubling()(images)[0]
    runner = partial(make_runner, Doubling(), title="it", runtime="openvino")
    assert (runner()(images)[0] - exact).abs().max() < 1e-5
    if HAS_BFLOAT16:
        rough = runner(dtype=torch.bfloat16)(images)[0]
        assert 1e-4 < (rough - exact).abs().max() < 0.05
    else:
        with pytest.raises(HeatpoolError, match="this processor has no bfloat16"):
            runner(dtype=torch.bfloat16)(images)
    with pytest.raises(
        HeatpoolError, match="expected --dtype float32 with --runtime onnxruntime, got bfloat16"
    ):
        make_runner(Doubling(), title="it", runtime="onnxruntime", dtype=torch.bfloat16)
    with pytest.raises(HeatpoolError, match="expected --runtime torch with --device cuda, got openvino"):
        runner(device="cuda")


def test_onnx_files_by_openvino(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    crops = noise_crops(3, 64, 48)

    def pose(**options: Any) -> PoseBatch:
        return OnnxBackbone(path, ("brightness",), **options).forward(crops)

    exact, found = pose(), pose(runtime="openvino")
    torch.testing.assert_close(found.maps[0], exact.maps[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(found.joints_xy_px, exact.joints_xy_px)
    if HAS_BFLOAT16:
        rough = pose(runtime="openvino", bfloat16=True)
        assert 1e-4 < (rough.maps[0] - exact.maps[0]).abs().max() < 0.02 * exact.maps[0].abs().max()
    with pytest.raises(HeatpoolError, match="--dtype float32 with --runtime onnxruntime, got bfloat16"):
        pose(bfloat16=True)


def test_published_batch_norms_are_torchs_alone() -> None:
    with pytest.raises(HeatpoolError, match="--runtime torch with --batchnorm published, got openvino"):
        HRNetBackbone(narrow(), batchnorm="published", runtime="openvino")


def test_openvino_does_not_report_home() -> None:
    openvino = import_openvino()
    from openvino.tools.ovc import telemetry_utils

    assert openvino.Core is not None
    assert telemetry_utils.tm.__name__.endswith("telemetry_stub")
