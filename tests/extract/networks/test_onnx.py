from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_input import OnnxInput
from tests.fixtures.crops import black_crops, noise_crops
from tests.fixtures.onnx_networks import changed, heatmap_network, simcc_network

PLAIN = OnnxInput(mean=(0, 0, 0), std=(1, 1, 1))


def test_an_inner_tensor_becomes_the_feature_map(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    backbone = OnnxBackbone(path, ("brightness",), given=PLAIN)
    assert (backbone.joints, backbone.channels, backbone.tap) == (17, 4, "brightness")
    assert (backbone.crop.height_px, backbone.crop.width_px) == (64, 48)
    assert backbone.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    crops = black_crops(5, 64, 48)
    crops[3, 20:24, 8:12] = 204  # 0.8 in block 5 from above, 2 from the left
    pose = backbone.forward(crops)
    assert pose.maps[0].shape == (5, 4, 16, 12)
    torch.testing.assert_close(pose.maps[0][3, :, 5, 2], 0.8 * torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert pose.joints_xy_px[3].tolist() == [[8.0, 20.0]] * 17
    torch.testing.assert_close(pose.scores[3], torch.full((17,), 0.8))
    assert pose.heatmaps is not None
    assert pose.heatmaps.shape == (5, 17, 16, 12)


def test_a_batch_of_many_equals_many_of_one(tmp_path: Path) -> None:
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("brightness",))
    crops = noise_crops(7, 64, 48)
    together = backbone.forward(crops)
    for at in range(7):
        alone = backbone.forward(crops[at : at + 1])
        torch.testing.assert_close(alone.maps[0][0], together.maps[0][at], atol=1e-6, rtol=0)
        assert torch.equal(alone.joints_xy_px[0], together.joints_xy_px[at])


def test_simcc_vectors_are_read(tmp_path: Path) -> None:
    backbone = OnnxBackbone(simcc_network(tmp_path / "pose.onnx"), ("picked",), given=PLAIN)
    crops = black_crops(2, 8, 6)
    crops[1, 5, 4, 0] = 255
    pose = backbone.forward(crops)
    assert pose.joints_xy_px[1].tolist() == [[4.0, 5.0], [4.0, 5.0]]
    assert pose.heatmaps is None
    assert pose.maps[0].shape == (2, 2, 8, 6)


def test_a_graph_that_holds_one_crop_runs_one_after_the_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Exporters fix the batch inside the graph too, where nothing can free it."""
    path = heatmap_network(tmp_path / "pose.onnx")

    def reshape(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "free"
        shape = onnx.numpy_helper.from_array(np.array([1, 17, 16, 12], np.int64), "fixed")
        model.graph.initializer.append(shape)
        model.graph.node.append(onnx.helper.make_node("Reshape", ["free", "fixed"], ["heatmaps"]))

    crops = noise_crops(3, 64, 48)
    wanted = OnnxBackbone(path, ("brightness",)).forward(crops)
    with caplog.at_level(logging.INFO):
        backbone = OnnxBackbone(changed(path, reshape), ("brightness",))
    assert "one crop at a time" in caplog.text
    pose = backbone.forward(crops)
    torch.testing.assert_close(pose.joints_xy_px, wanted.joints_xy_px)
    torch.testing.assert_close(pose.maps[0], wanted.maps[0])


def test_an_output_without_a_shape_works(tmp_path: Path) -> None:
    path = heatmap_network(tmp_path / "pose.onnx")
    shapeless = changed(path, lambda model: model.graph.output[0].type.tensor_type.ClearField("shape"))
    assert OnnxBackbone(shapeless, ("brightness",)).joints == 17


def test_an_output_may_be_the_tap(tmp_path: Path) -> None:
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("heatmaps",))
    pose = backbone.forward(noise_crops(2, 64, 48))
    assert pose.heatmaps is not None
    assert torch.equal(pose.maps[0], pose.heatmaps)


def test_several_taps_come_at_once(tmp_path: Path) -> None:
    backbone = OnnxBackbone(heatmap_network(tmp_path / "pose.onnx"), ("brightness", "heatmaps"))
    assert (backbone.tap, backbone.channels) == ("brightness+heatmaps", 4 + 17)
    pose = backbone.forward(noise_crops(2, 64, 48))
    assert [each.shape[1] for each in pose.maps] == [4, 17]
