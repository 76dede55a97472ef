from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.pose_homes import CASES, Case, golden_persons, joints_of_heatpool, joints_of_home
from heatpool.extract.networks import transformers as networks_transformers
from heatpool.extract.networks.crops import crop_affines, joints_to_frame, normalise_crops
from heatpool.extract.networks.heatmaps import decode_heatmaps
from heatpool.extract.networks.runtime.runner import TorchRunner
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.records import CropSpec
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import COCO17_SKELETON
from tests.fixtures.crops import noise_crops
from tests.fixtures.torchvision_shim import install

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small ViTPose with random weights, saved as the hub has it."""
    install()
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=24, num_hidden_layers=3, num_attention_heads=2,
        out_features=["stage3"],
    )  # fmt: skip
    torch.manual_seed(0)
    model = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17))
    path = tmp_path_factory.mktemp("vitpose")
    model.save_pretrained(path)
    return path


def _model(backbone: VitPose) -> Any:
    """Return the module of transformers."""
    assert isinstance(backbone._run, TorchRunner)
    return backbone._run.network.model


def test_a_saved_model_is_loaded_and_gives_maps_and_joints(folder: Path) -> None:
    backbone = VitPose(folder)
    assert (backbone.joints, backbone.channels, backbone.tap) == (17, 24, "last")
    assert (backbone.crop.height_px, backbone.crop.width_px) == (64, 48)
    pose = backbone.forward(noise_crops(3, 64, 48))
    assert pose.maps[0].shape == (3, 24, 4, 3)
    assert pose.joints_xy_px.shape == (3, 17, 2)
    assert pose.heatmaps is not None


def test_vitpose_plus_answers_as_its_expert_for_coco(tmp_path: Path) -> None:
    install()
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(
        image_size=[96, 64], patch_size=[16, 16], hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        part_features=8, num_experts=3, out_features=["stage2"],
    )  # fmt: skip
    torch.manual_seed(0)
    config = VitPoseConfig(backbone_config=backbone, num_labels=17, use_simple_decoder=False)
    model = VitPoseForPoseEstimation(config).eval()
    model.save_pretrained(tmp_path)
    ours = VitPose(tmp_path)
    assert (ours.crop.height_px, ours.crop.width_px) == (96, 64)
    crops = noise_crops(2, 96, 64)
    pixels = normalise_crops(crops, ours.crop)
    with torch.inference_mode():
        coco, aic = (model(pixels, dataset_index=torch.full((2,), index)).heatmaps for index in (0, 1))
    heatmaps = ours.forward(crops).heatmaps
    assert heatmaps is not None
    torch.testing.assert_close(heatmaps, coco)
    assert not torch.allclose(coco, aic)


def test_the_map_is_the_token_grid_the_head_reads(folder: Path) -> None:
    backbone = VitPose(folder)
    crops = noise_crops(2, 64, 48)
    pose = backbone.forward(crops)
    with torch.inference_mode():
        heatmaps = _model(backbone).head(pose.maps[0].contiguous())
    torch.testing.assert_close(heatmaps, pose.heatmaps)


def test_crops_and_joints_are_those_of_transformers() -> None:
    """Boxes of any shape, people whose joints lie anywhere between cells."""
    install()
    from transformers.models.vitpose import image_processing_vitpose as theirs

    crop = CropSpec(height_px=256, width_px=192, alignment="udp", refinement="dark-hf")
    boxes = np.array([[30.0, 20, 130, 320], [200, 50, 420, 150]])
    wanted = []
    cells = np.random.default_rng(0).uniform([1, 1], [46, 62], (2, 17, 2)).astype(np.float32)
    x, y = np.arange(48), np.arange(64)[:, None]
    distance = (x - cells[..., 0, None, None]) ** 2 + (y - cells[..., 1, None, None]) ** 2
    heatmaps = (0.9 * np.exp(-distance / 8)).astype(np.float32)
    joints, scores = decode_heatmaps(torch.from_numpy(heatmaps), crop)
    affines = crop_affines(boxes, crop)
    peaks, peak_scores = theirs.get_keypoint_predictions(heatmaps)
    refined = theirs.post_dark_unbiased_data_processing(peaks, heatmaps, kernel=11)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        centre, scale = theirs.box_to_center_and_scale((x1, y1, x2 - x1, y2 - y1), 192, 256)
        matrix = theirs.get_warp_matrix(0, centre * 2, np.array([191, 255]), scale * 200)
        np.testing.assert_allclose(affines[number], matrix, rtol=1e-5, atol=1e-4)
        wanted.append(theirs.transform_preds(refined[number], centre, scale, [64, 48]))
    np.testing.assert_allclose(joints_to_frame(joints.numpy(), affines), wanted, atol=0.02)
    np.testing.assert_allclose(scores, peak_scores[..., 0], rtol=1e-6)
    away_from_edges = ((cells > 5) & (cells < [42, 58])).all(-1)
    in_cells = joints.numpy() / [191 / 47, 255 / 63]
    np.testing.assert_allclose(in_cells[away_from_edges], cells[away_from_edges], atol=0.01)


@pytest.mark.parametrize("case", [case for case in CASES if case.package == "transformers"])
def test_whole_frames_give_the_joints_of_the_transformers_that_is_installed(
    case: Case, tmp_path: Path
) -> None:
    """Its processor and stage one around the same network, by peaks that are lopsided."""
    persons = golden_persons()
    path = replace(case.network, lopsided=True).save(tmp_path / "pose.onnx")
    joints = joints_of_heatpool(path, case.given, persons)
    np.testing.assert_allclose(joints, joints_of_home(case, path, persons), rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("said", "mean", "std"),
    [
        ({}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ({"image_mean": [0.5, 0.4, 0.3], "image_std": 0.5}, (0.5, 0.4, 0.3), (0.5, 0.5, 0.5)),
        ({"do_normalize": False, "image_mean": [9, 9, 9]}, (0, 0, 0), (1, 1, 1)),
        ({"do_rescale": False, "image_mean": [51, 0, 0], "image_std": 255}, (0.2, 0, 0), (1, 1, 1)),
        ({"rescale_factor": 2 / 255, "image_mean": [1, 0, 0], "image_std": 1}, (0.5, 0, 0), (0.5, 0.5, 0.5)),
    ],
)
def test_crops_are_normalised_as_the_models_preprocessor_says(
    folder: Path, tmp_path: Path, said: dict[str, object], mean: tuple[float, ...], std: tuple[float, ...]
) -> None:
    """By hand: (value rescale_factor - mean) / std, which is (value / 255 - m) / s."""
    shutil.copytree(folder, tmp_path / "model")
    if said:
        (tmp_path / "model" / "preprocessor_config.json").write_text(json.dumps(said))
    crop = VitPose(tmp_path / "model").crop
    assert crop.mean == pytest.approx(mean)
    assert crop.std == pytest.approx(std)
    assert (crop.alignment, crop.refinement, crop.padding) == ("udp", "dark-hf", 1.25)


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"image_mean": "x"}', '{"image_std": [1, 0, 1]}', '{"rescale_factor": 0}']
)
def test_a_preprocessor_that_makes_no_sense_is_refused_in_one_line(
    folder: Path, tmp_path: Path, text: str
) -> None:
    shutil.copytree(folder, tmp_path / "model")
    (tmp_path / "model" / "preprocessor_config.json").write_text(text)
    with pytest.raises(HeatpoolError, match=r"preprocessor_config\.json") as caught:
        VitPose(tmp_path / "model")
    assert "\n" not in str(caught.value)


def test_the_joints_names_and_edges_are_the_models(folder: Path, tmp_path: Path) -> None:
    assert VitPose(folder).skeleton == COCO17_SKELETON  # it has 17, and says nothing of them
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(number): f"L_Point{number}" for number in range(17)}
    config["edges"] = [[0, 1], [1, 2]]
    shutil.copytree(folder, tmp_path / "named")
    (tmp_path / "named" / "config.json").write_text(json.dumps(config))
    skeleton = VitPose(tmp_path / "named").skeleton
    assert skeleton.joint_names[:2] == ("left_point0", "left_point1")
    assert skeleton.edges == ((0, 1), (1, 2))


def test_lower_precision_leaves_in_float32(folder: Path) -> None:
    crops = noise_crops(2, 64, 48)
    exact, rough = (VitPose(folder, dtype=dtype).forward(crops) for dtype in (torch.float32, torch.bfloat16))
    assert rough.maps[0].dtype == rough.scores.dtype == torch.float32
    assert 0 < (rough.maps[0] - exact.maps[0]).abs().max() < 0.05 * exact.maps[0].abs().max()


def test_several_layers_are_tapped_at_once(folder: Path) -> None:
    crops = noise_crops(2, 64, 48)
    backbone = VitPose(folder, taps=("layer1", "last"))
    assert (backbone.tap, backbone.channels) == ("layer1+last", 48)
    first, last = backbone.forward(crops).maps
    torch.testing.assert_close(first, VitPose(folder, taps=("layer1",)).forward(crops).maps[0])
    torch.testing.assert_close(last, VitPose(folder).forward(crops).maps[0])


def test_the_digest_follows_the_weights(folder: Path, tmp_path: Path) -> None:
    backbone = VitPose(folder)
    assert backbone.weights_sha256 == VitPose(folder).weights_sha256
    with torch.no_grad():
        next(_model(backbone).parameters()).add_(1)
    _model(backbone).save_pretrained(tmp_path)
    assert VitPose(tmp_path).weights_sha256 != VitPose(folder).weights_sha256


def test_shards_are_the_same_network(folder: Path, tmp_path: Path) -> None:
    backbone = VitPose(folder)
    _model(backbone).save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 1
    assert VitPose(tmp_path).weights_sha256 == backbone.weights_sha256
    next(tmp_path.glob("*.safetensors")).unlink()
    with pytest.raises(HeatpoolError, match="expected a ViTPose model") as caught:
        VitPose(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("tap", ["layer4", "stage3", ""])
def test_an_unknown_layer_is_named(folder: Path, tap: str) -> None:
    with pytest.raises(HeatpoolError, match="expected --tap out of last, layer1, layer2, layer3"):
        VitPose(folder, taps=(tap,))


def test_what_is_no_model_is_said_in_one_line(tmp_path: Path) -> None:
    install()
    with pytest.raises(HeatpoolError, match="expected a ViTPose model") as caught:
        VitPose(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_torchvision_that_does_not_match_is_explained(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def import_module(name: str) -> None:
        """Fail as transformers 5.23 does beside a torchvision that is built for another torch."""
        try:
            raise RuntimeError("operator torchvision::nms does not exist")
        except RuntimeError as error:
            raise ModuleNotFoundError("Could not import module 'image_processing_vitpose'.") from error

    monkeypatch.setattr(networks_transformers, "importlib", SimpleNamespace(import_module=import_module))
    with pytest.raises(HeatpoolError, match="torchvision does not match torch"):
        VitPose(folder)


@pytest.mark.slow
def test_a_real_torchvision_that_does_not_match_is_explained(folder: Path) -> None:
    code = f"from heatpool.extract.networks.vitpose import VitPose; VitPose({str(folder)!r}); print('loaded')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        assert "loaded" in done.stdout  # here torchvision matches
    else:
        assert "torchvision does not match torch" in done.stderr.splitlines()[-1]


def test_a_configuration_that_claims_far_more_than_the_weights_is_refused_before_it_is_built(
    folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder, tmp_path / "wide")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["backbone_config"] |= {"hidden_size": 20_000, "num_hidden_layers": 20_000}
    (tmp_path / "wide" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(HeatpoolError, match="wide: refused, its network would take .* MB, the file has"):
        VitPose(tmp_path / "wide")
