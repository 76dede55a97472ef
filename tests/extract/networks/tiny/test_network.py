"""The tiny pose network: shapes, the tap, decoding of heatmaps with known peaks."""

from __future__ import annotations

import pytest
import torch

from heatpool.extract.networks.tiny.network import (
    HEATMAP_STRIDE,
    TINY_TAP,
    TINY_TAPS,
    TinyPose,
    decode_gaussian_heatmaps,
)
from heatpool.extract.networks.tiny.training.loops import target_heatmaps


def randomised(seed: int = 0) -> TinyPose:
    """Return a network whose batch norms are not the identity, so that fusing them shows."""
    torch.manual_seed(seed)
    network = TinyPose()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


def test_maps_are_a_quarter_and_an_eighth_of_the_crop() -> None:
    heatmaps, features = TinyPose()(torch.zeros(2, 3, 128, 96))
    assert heatmaps.shape == (2, 17, 32, 24)
    assert features.shape == (2, TINY_TAPS[TINY_TAP], 16, 12)


def test_features_are_the_named_tensor() -> None:
    network = randomised()
    seen = []
    network.get_submodule(TINY_TAP).register_forward_hook(lambda *args: seen.append(args[2]))
    _, features = network(torch.randn(2, 3, 128, 96))
    assert len(seen) == 1
    assert torch.equal(seen[0], features)
    assert features.min() >= 0
    assert features.std() > 0


def test_every_tap_is_the_output_of_its_module() -> None:
    network = randomised()
    seen = {}
    for tap in TINY_TAPS:
        network.get_submodule(tap).register_forward_hook(lambda *args, tap=tap: seen.update({tap: args[2]}))
    _, *maps = network(torch.randn(2, 3, 128, 96), list(TINY_TAPS))
    assert [each.shape[1] for each in maps] == list(TINY_TAPS.values())
    for tap, each in zip(TINY_TAPS, maps, strict=True):
        assert torch.equal(seen[tap], each)


def test_tap_feeds_the_heatmaps() -> None:
    """The pooled branch is not a dead end: its change moves the heatmaps through the last fusion."""
    network = randomised()
    crops = torch.randn(1, 3, 128, 96)
    before = network(crops)[0]
    network.get_submodule(TINY_TAP).register_forward_hook(lambda *args: args[2] + 1.0)
    assert not torch.allclose(network(crops)[0], before)


def test_fusing_batch_norm_changes_nothing_but_rounding() -> None:
    network = randomised()
    crops = torch.randn(2, 3, 128, 96)
    with torch.inference_mode():
        heatmaps, features = network(crops)
        fused = network.fuse()
        assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
        again, features_again = fused(crops)
    torch.testing.assert_close(again, heatmaps, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(features_again, features, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("cell", [(5.0, 9.0), (7.3, 11.9), (3.49, 20.51), (22.6, 30.8)])
def test_decoding_a_gaussian_is_exact(cell: tuple[float, float]) -> None:
    joints = torch.tensor([[cell]]) * HEATMAP_STRIDE
    heatmaps = target_heatmaps(joints, height=32, width=24)
    found, scores = decode_gaussian_heatmaps(heatmaps)
    inside = cell[0] < 22.5 and cell[1] < 30.5  # otherwise the highest cell lies on the border
    torch.testing.assert_close(found, joints, rtol=0, atol=1e-3 if inside else HEATMAP_STRIDE / 2)
    assert scores.item() == heatmaps.max().item()


def test_target_of_a_joint_on_a_cell_peaks_at_one() -> None:
    target = target_heatmaps(torch.tensor([[[8.0, 12.0]]]), height=32, width=24)[0, 0]
    assert target[3, 2] == 1.0
    assert target.max() == 1.0
    # One cell aside: exp(-1 / (2 * 1.5^2)).
    assert target[3, 3].item() == pytest.approx(0.800737, abs=1e-6)


def test_peak_on_the_border_is_kept_on_its_cell() -> None:
    heatmaps = torch.zeros(1, 2, 32, 24)
    heatmaps[0, 0, 0, 0] = 0.7
    heatmaps[0, 1, 31, 23] = 2.0
    found, scores = decode_gaussian_heatmaps(heatmaps)
    assert found.tolist() == [[[0.0, 0.0], [92.0, 124.0]]]
    assert scores.tolist() == [[pytest.approx(0.7), 1.0]]


def test_flat_and_negative_maps_give_finite_joints_and_zero_scores() -> None:
    found, scores = decode_gaussian_heatmaps(
        torch.stack([torch.zeros(1, 32, 24), torch.full((1, 32, 24), -3.0)])
    )
    assert torch.isfinite(found).all()
    assert (scores == 0).all()
