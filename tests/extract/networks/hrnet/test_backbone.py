from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.networks.crops import normalise_crops
from heatpool.extract.networks.detectors import FullFrame
from heatpool.extract.networks.hrnet.backbone import BatchNorm, HRNetBackbone, load_hrnet_backbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.records import CropSpec, PoseBackbone
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from tests.conftest import VideoMaker
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.crops import noise_crops


def only_biases(network: HRNetSimCC) -> HRNetSimCC:
    """Make the heads ignore the picture: joint v always has bin 20 + v along x and 40 + v along y."""
    network.final_layer.weight.zero_()
    network.final_layer.load_state_dict({"bias": torch.arange(5.0)}, strict=False)
    for head, first in ((network.mlp_head_x, 20), (network.mlp_head_y, 40)):
        # With weight a and bias b, bin i of joint v has the logit v * cells * a_i + b_i, made to be
        # -(i - first - v)^2 / 32 up to a constant of v: a Gaussian of 4 bins.
        bins = torch.arange(len(head.bias)) - float(first)
        head.weight.copy_((bins / 16 / head.weight.shape[1])[:, None].expand_as(head.weight))
        head.bias.copy_(-(bins**2) / 32)
    return network


@pytest.fixture
def analytic() -> HRNetBackbone:
    with torch.no_grad():
        return HRNetBackbone(only_biases(narrow()))


def test_joints_are_the_highest_bins_in_crop_pixels(analytic: HRNetBackbone) -> None:
    pose = analytic.forward(noise_crops(2, 96, 64))
    assert pose.joints_xy_px[1].tolist() == [[10 + v / 2, 20 + v / 2] for v in range(5)]


def test_a_joint_as_sure_as_it_was_trained_scores_one(analytic: HRNetBackbone) -> None:
    scores = analytic.forward(noise_crops(1, 96, 64)).scores
    assert scores.flatten().tolist() == pytest.approx([1] * 5, abs=1e-4)


def test_a_joint_that_may_be_anywhere_scores_next_to_nothing() -> None:
    network = narrow()
    with torch.no_grad():
        for head in (network.mlp_head_x, network.mlp_head_y):
            head.weight.zero_()
            head.bias.zero_()
    scores = HRNetBackbone(network).forward(noise_crops(1, 96, 64)).scores
    assert scores.flatten().tolist() == pytest.approx([4 * math.sqrt(2 * math.pi) / 192] * 5)


def test_simcc_heatmaps_peak_with_the_score_at_the_joint(analytic: HRNetBackbone) -> None:
    pose = analytic.forward(noise_crops(1, 96, 64))
    assert pose.heatmaps is not None
    assert pose.heatmaps.shape == (1, 5, 24, 16)
    for joint, heat, score in zip(pose.joints_xy_px[0], pose.heatmaps[0], pose.scores[0], strict=True):
        assert heat.max() == pytest.approx(float(score))
        weights = heat / heat.sum()
        centre = torch.stack(
            [(weights.sum(0) * torch.arange(16)).sum(), (weights.sum(1) * torch.arange(24)).sum()]
        )
        assert (4 * centre).tolist() == pytest.approx(joint.tolist(), abs=0.1)  # cell k lies at pixel 4 k


def test_heatmap_networks_are_read_as_hrnet_reads_them() -> None:
    crop = HRNetBackbone(narrow(split_ratio=None)).crop
    assert (crop.alignment, crop.refinement, crop.padding) == ("corner", "quarter", 1.25)


def test_heatmap_networks_give_their_heatmaps() -> None:
    network, crops = narrow(split_ratio=None), noise_crops(2, 96, 64)
    with torch.no_grad():
        expected = network(normalise_crops(crops, CropSpec(96, 64))).heatmaps
    pose = HRNetBackbone(network).forward(crops)
    assert pose.heatmaps is not None
    assert torch.allclose(pose.heatmaps, expected, atol=1e-5)
    row, column = divmod(int(expected[1, 3].argmax()), 16)
    assert (pose.joints_xy_px[1, 3] - torch.tensor([4.0 * column, 4.0 * row])).abs().max() <= 1


@pytest.mark.parametrize("batchnorm", ["eval", "published"])
def test_results_do_not_depend_on_the_batch(batchnorm: BatchNorm) -> None:
    backbone = HRNetBackbone(narrow(), batchnorm=batchnorm)
    crops = noise_crops(5, 96, 64)
    together = backbone.forward(crops)
    scale = float(together.maps[0].max())
    for at in range(5):
        alone = backbone.forward(crops[at : at + 1])
        assert torch.equal(alone.joints_xy_px[0], together.joints_xy_px[at])
        assert torch.allclose(alone.maps[0][0], together.maps[0][at], rtol=0, atol=5e-5 * scale)
        assert torch.allclose(alone.scores[0], together.scores[at], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("tap", "shape"), [("stage4_branch1", (8, 12, 8)), ("stage3_in2", (16, 6, 4))])
def test_the_tap_is_what_the_protocol_says(tap: str, shape: tuple[int, ...]) -> None:
    backbone: PoseBackbone = HRNetBackbone(narrow(), taps=(tap,))
    features = backbone.forward(noise_crops(1, 96, 64)).maps[0]
    assert features.shape == (1, *shape)
    assert (backbone.channels, backbone.joints, backbone.tap) == (shape[0], 5, tap)
    assert (backbone.crop.width_px, backbone.crop.height_px, backbone.crop.padding) == (64, 96, 1.25)


def test_several_taps_equal_each_alone() -> None:
    crops, taps = noise_crops(2, 96, 64), ("stage4_branch1", "stage3_in2")
    backbone = HRNetBackbone(narrow(), taps=taps)
    assert (backbone.tap, backbone.channels) == ("stage4_branch1+stage3_in2", 8 + 16)
    for tap, together in zip(taps, backbone.forward(crops).maps, strict=True):
        assert torch.equal(HRNetBackbone(narrow(), taps=(tap,)).forward(crops).maps[0], together)


def test_an_unknown_tap_names_the_known_ones() -> None:
    with pytest.raises(HeatpoolError, match=r"stage4_branch1, .*stage4_out, got stage5"):
        HRNetBackbone(narrow(), taps=("stage5",))


def test_half_precision_keeps_the_heads_exact() -> None:
    crops = noise_crops(4, 96, 64)
    exact = HRNetBackbone(narrow()).forward(crops)
    half = HRNetBackbone(narrow(), dtype=torch.bfloat16).forward(crops)
    assert half.maps[0].dtype == half.joints_xy_px.dtype == half.scores.dtype == torch.float32
    scale = exact.maps[0].abs().max()
    assert 0 < (half.maps[0] - exact.maps[0]).abs().max() < 0.05 * scale


def test_two_backbones_live_side_by_side() -> None:
    crops = noise_crops(1, 96, 64)
    trained = HRNetBackbone(narrow())
    before = trained.forward(crops).maps[0].clone()
    published = HRNetBackbone(narrow(), batchnorm="published").forward(crops).maps[0]
    assert torch.equal(trained.forward(crops).maps[0], before)
    assert not torch.allclose(published, before, atol=0.1)


@pytest.mark.parametrize("batchnorm", ["eval", "published"])
def test_a_checkpoint_by_path_extracts_a_video(
    tmp_path: Path, make_video: VideoMaker, batchnorm: BatchNorm
) -> None:
    torch.save({"state_dict": narrow().state_dict()}, tmp_path / "pose.pth")
    backbone = load_hrnet_backbone(tmp_path / "pose.pth", batchnorm=batchnorm)
    assert len(backbone.weights_sha256) == 64
    rng = np.random.default_rng(0)
    video = make_video([rng.integers(0, 255, (48, 64, 3), np.uint8) for _ in range(6)])
    options = EngineOptions(persons=1, steps=4, person_batch=4)
    outcome = extract_clips(
        [ClipJob(0, video)], options, estimator=TopDown(FullFrame(), backbone, device="cpu")
    )[0]
    assert outcome.result.status is Status.OK
    assert outcome.features is not None
    assert outcome.features.pooled.shape == (1, 4, 5, 8)
    assert outcome.features.mask.all()
    assert np.isfinite(outcome.features.pooled).all()
    assert outcome.features.pooled.std() > 0
