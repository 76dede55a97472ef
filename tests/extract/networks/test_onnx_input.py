"""How an ONNX network's input is told: options, metadata, the usual."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_input import OnnxInput, read_metadata
from heatpool.extract.records import CropSpec
from heatpool.pipelines.cli import read_command
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.skeleton import Skeleton
from tests.fixtures.crops import black_crops
from tests.fixtures.onnx_networks import changed, constant_network, heatmap_network
from tests.paths import ROOT


def crop_of(given: OnnxInput, input_name: str = "input") -> CropSpec:
    return given.crop_spec(256, 192, input_name=input_name)


def test_what_nobody_tells_is_as_rtmpose_and_hrnet_were_trained() -> None:
    usual = crop_of(OnnxInput())
    assert usual == CropSpec(height_px=256, width_px=192)
    assert (usual.alignment, usual.refinement, usual.padding) == ("corner", "quarter", 1.25)
    rtmpose = OnnxInput(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375), scale="255")
    np.testing.assert_allclose(crop_of(rtmpose).mean, usual.mean, rtol=1e-6)
    np.testing.assert_allclose(crop_of(rtmpose).std, usual.std, rtol=1e-6)


@pytest.mark.parametrize(
    ("input_name", "given", "alignment", "refinement"),
    [
        ("pixel_values", OnnxInput(), "udp", "dark-hf"),
        ("pixel_values", OnnxInput(alignment="corner"), "corner", "quarter"),
        ("input", OnnxInput(alignment="udp"), "udp", "dark-udp"),
        ("input", OnnxInput(alignment="centre"), "centre", "quarter"),
        ("input", OnnxInput(refinement="dark"), "corner", "dark"),
        ("pixel_values", OnnxInput(refinement="none"), "udp", "none"),
    ],
)
def test_alignment_and_refinement_are_those_of_whoever_exports_so(
    input_name: str, given: OnnxInput, alignment: str, refinement: str
) -> None:
    crop = crop_of(given, input_name)
    assert (crop.alignment, crop.refinement) == (alignment, refinement)


def test_what_nobody_tells_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="heatpool")
    crop_of(OnnxInput(mean=(0, 0, 0), padding=1.0))
    (record,) = caplog.records
    assert record.message.endswith("tells: std ImageNet's, colours rgb, alignment corner")
    caplog.clear()
    crop_of(OnnxInput(mean=(0, 0, 0), std=(1, 1, 1), padding=1.0, colours="rgb", alignment="udp"))
    assert not caplog.records


def test_a_scale_without_mean_and_deviation_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    assert crop_of(OnnxInput(scale="255")) == crop_of(OnnxInput())
    assert "add --onnx-mean 0,0,0 --onnx-std 1,1,1" in caplog.text


def test_peaks_that_are_no_scores_are_warned_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    maps = np.zeros((1, 2, 16, 12), np.float32)
    maps[0, :, 5, 5] = 200
    path = constant_network(tmp_path / "mspn.onnx", {"heatmaps": maps}, input_hw_px=(64, 48))
    backbone = OnnxBackbone(path, ("heatmaps",))
    for _ in range(2):
        assert (backbone.forward(black_crops(1, 64, 48)).scores == 1).all()
    (record,) = [each for each in caplog.records if each.levelname == "WARNING"]
    assert record.message.startswith("mspn.onnx gives peaks of 200, which are no scores")


@pytest.mark.parametrize(
    "outputs",
    [
        {"xy": (1, 17, 2)},  # regression
        {"xy": (1, 34)},
        {"xyz": (1, 195), "visible": (1, 1)},
        {"heatmaps": (1, 16, 12, 17)},  # channels last
        {"simcc_x": (1, 17, 96), "simcc_y": (1, 17, 128), "simcc_z": (1, 17, 96)},
        {"heatmaps": (1, 19, 16, 12), "affinities": (1, 38, 16, 12)},
        {"offsets": (1, 51, 16, 12)},  # mmpose's udp-regress
    ],
    ids=lambda outputs: "+".join(outputs),
)
def test_other_kinds_of_answers_are_refused_though_the_tap_looks_like_heatmaps(
    tmp_path: Path, outputs: dict[str, tuple[int, ...]]
) -> None:
    base = {name: np.zeros(shape, np.float32) for name, shape in {**outputs, "tap": (1, 8, 16, 12)}.items()}
    path = constant_network(tmp_path / "pose.onnx", base, input_hw_px=(64, 48))
    with pytest.raises(HeatpoolError, match=r"expected (one output of |a )?heatmap") as caught:
        OnnxBackbone(path, ("tap",))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("colours", ["rgb", "bgr"])
@pytest.mark.parametrize("scale", ["1", "255"])
def test_the_network_sees_the_pixels_that_it_asks_for(tmp_path: Path, colours: str, scale: str) -> None:
    """Of a network whose tap is its input, by hand: (value - mean) / std of each channel in its own order."""
    path = heatmap_network(tmp_path / "pose.onnx")
    changed(
        path, lambda model: model.graph.node.append(onnx.helper.make_node("Identity", ["data"], ["seen"]))
    )
    full = float(scale)
    given = OnnxInput(
        mean=(0.1 * full, 0.2 * full, 0.3 * full),
        std=(full, 2 * full, 4 * full),
        scale=scale,  # type: ignore[arg-type]
        colours=colours,  # type: ignore[arg-type]
    )
    backbone = OnnxBackbone(path, ("seen",), given=given)
    crops = torch.tensor([255, 51, 0], dtype=torch.uint8).expand(1, 64, 48, 3)  # red 1, green 0.2
    seen = backbone.forward(crops).maps[0]
    red, green, blue = 1.0, 0.2, 0.0
    first, third = (red, blue) if colours == "rgb" else (blue, red)
    wanted = torch.tensor([(first - 0.1) / 1, (green - 0.2) / 2, (third - 0.3) / 4])
    torch.testing.assert_close(seen[0, :, 30, 20], wanted)


@pytest.mark.parametrize(
    ("alignment", "joint"),
    [
        ("corner", [8.0, 20.0]),
        ("centre", [9.5, 21.5]),  # the middle of pixels 8 to 11 and 20 to 23
        ("udp", [2 * 47 / 11, 5 * 63 / 15]),
    ],
)
def test_cells_lie_where_the_alignment_says(tmp_path: Path, alignment: str, joint: list[float]) -> None:
    given = OnnxInput(mean=(0, 0, 0), std=(1, 1, 1), alignment=alignment)  # type: ignore[arg-type]
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("brightness",), given=given)
    crops = black_crops(1, 64, 48)
    crops[0, 20:24, 8:12] = 200  # block 5 from above, 2 from the left
    np.testing.assert_allclose(backbone.forward(crops).joints_xy_px[0], [joint] * 17, rtol=1e-5)


def test_options_win_over_metadata_and_metadata_over_the_usual(tmp_path: Path) -> None:
    told = {
        "padding": 1.5,
        "scale": 255,
        "std": [1, 2, 4],
        "mean": [0, 0, 0],
        "joints": ["a", "b"],
        "edges": [[0, 1]],
    }
    path = heatmap_network(tmp_path / "pose.onnx", joints=2)
    changed(path, lambda model: onnx.helper.set_model_props(model, {"heatpool": json.dumps(told)}))
    backbone = OnnxBackbone(path, ("brightness",), given=OnnxInput(padding=1.1))
    assert backbone.crop.padding == 1.1
    assert backbone.crop.std == (1 / 255, 2 / 255, 4 / 255)
    assert backbone.skeleton == Skeleton("joints2", ("a", "b"), ((0, 1),))


def test_a_size_that_the_file_leaves_open_must_be_told(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")

    def leave_open(model: onnx.ModelProto) -> None:
        for dim in model.graph.input[0].type.tensor_type.shape.dim[2:]:
            dim.dim_param = "size"

    changed(path, leave_open)
    with pytest.raises(HeatpoolError, match="leaves it open: say --onnx-size 256,192"):
        OnnxBackbone(path, ("brightness",))
    backbone = OnnxBackbone(path, ("brightness",), given=OnnxInput(size=(64, 48)))
    assert (backbone.crop.height_px, backbone.crop.width_px) == (64, 48)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{", "metadata 'heatpool' of pose.onnx"),
        ("[1]", "expected an object with mean, std"),
        ('{"mena": [0, 0, 0]}', "expected an object with mean, std"),
        ('{"mean": [0, 0]}', "expected mean of 3 numbers"),
        ('{"mean": 5}', "metadata 'heatpool'"),
        ('{"std": [1, 0, 1]}', "expected std of 3 numbers"),
        ('{"colours": "bgrx"}', "expected colours out of rgb, bgr, got 'bgrx'"),
        ('{"refinement": "half"}', "expected refinement out of none, quarter, dark, dark-udp, dark-hf"),
        ('{"mean": [123, 116, 103]}', "expected a mean of at most 1, or a scale of 255"),
        ('{"padding": 0}', "expected padding of 0.1 to 10"),
        ('{"size": ["a", "b"]}', "metadata 'heatpool'"),
    ],
)
def test_metadata_that_is_wrong_is_said_in_one_line(entry: str, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message) as caught:
        read_metadata({"heatpool": entry}, "pose.onnx")
    assert "\n" not in str(caught.value)


PAGE = (ROOT / "docs/networks.md").read_text(encoding="utf-8")


def test_what_the_page_writes_into_a_file_is_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heatmap_network(tmp_path / "pose.onnx", joints=2)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    exec(block, {})
    backbone = OnnxBackbone(tmp_path / "pose.onnx", ("brightness",))
    np.testing.assert_allclose(backbone.crop.mean, np.array([103.53, 116.28, 123.675]) / 255)
    crop = backbone.crop
    assert (crop.alignment, crop.refinement, crop.padding) == ("centre", "quarter", 1.1)
    assert backbone.skeleton == Skeleton("joints2", ("nose", "tail"), ((0, 1),))


def test_the_commands_and_the_skeleton_of_the_page_are_understood(tmp_path: Path) -> None:
    commands = re.findall(r"^heatpool (.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 4
    for command in commands:
        assert read_command(shlex.split(command)).onnx_input or "--onnx" not in command
    (tmp_path / "names.yaml").write_text(
        re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[0]
    )
    assert len(read_skeleton(tmp_path / "names.yaml").edges) == 3
