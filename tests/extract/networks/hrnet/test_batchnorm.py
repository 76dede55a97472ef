from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from heatpool.extract.networks.hrnet.batchnorm import CropNorm, fold_batchnorm, use_crop_statistics
from heatpool.extract.networks.hrnet.network import HRNET_TAPS, HRNetOutput, HRNetSimCC
from tests.classify.deterministic_weights import fill_
from tests.extract.networks.hrnet.hrnet_cases import narrow, narrow_crops


def outputs(output: HRNetOutput) -> list[torch.Tensor]:
    assert output.vectors is not None
    return [output.heatmaps, *output.vectors, *output.maps.values()]


def relative(value: torch.Tensor, reference: torch.Tensor) -> float:
    return float((value - reference).abs().max() / reference.abs().max())


def test_a_crop_of_two_values_becomes_plus_and_minus_one() -> None:
    norm = nn.BatchNorm2d(1, eps=0)
    x = torch.tensor([[3.0, 5.0]]).view(1, 1, 1, 2)  # mean 4, biased variance 1
    assert CropNorm(norm)(x).flatten().tolist() == [-1, 1]


def test_one_layer_in_float32_is_training_mode_at_batch_size_one() -> None:
    norm, x = nn.BatchNorm2d(6).train(), 3 * torch.randn(4, 6, 24, 16, generator=torch.manual_seed(0)) + 1
    fill_(norm)
    with torch.no_grad():
        reference = torch.cat([norm(crop[None]) for crop in x])
        assert relative(CropNorm(norm)(x), reference) < 1e-6


# In float32 the 150 layers in a row amplify the last bits: the coarsest map has six cells here.
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-4)])
def test_crop_statistics_are_training_mode_at_batch_size_one(dtype: torch.dtype, tolerance: float) -> None:
    training, crops = narrow().to(dtype).train(), narrow_crops(3).to(dtype)
    published = copy.deepcopy(training).eval()
    use_crop_statistics(published)
    with torch.no_grad():
        batch = outputs(published(crops, HRNET_TAPS))
        for at in range(3):
            for value, reference in zip(
                batch, outputs(training(crops[at : at + 1], HRNET_TAPS)), strict=True
            ):
                assert relative(value[at : at + 1], reference) < tolerance


def test_crop_statistics_differ_from_the_trained_ones_and_leave_nothing_behind() -> None:
    network, crops = narrow(), narrow_crops(1)
    with torch.no_grad():
        trained = network(crops).heatmaps
        use_crop_statistics(network)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        first, second = network(crops).heatmaps, network(crops).heatmaps
    assert relative(first, trained) > 0.1
    assert torch.equal(first, second)  # no state moves from crop to crop
    assert not [name for name in before if "running" in name]
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_training_mode_after_all_does_not_bring_batch_statistics_back() -> None:
    network, crops = narrow(), narrow_crops(2)
    use_crop_statistics(network)
    with torch.no_grad():
        assert torch.equal(network.train()(crops).heatmaps, network.eval()(crops).heatmaps)


def test_folding_changes_nothing_and_leaves_no_batch_norm() -> None:
    network, crops = narrow().double(), narrow_crops(2).double()
    with torch.no_grad():
        before = outputs(network(crops, HRNET_TAPS))
        fold_batchnorm(network)
        after = outputs(network(crops, HRNET_TAPS))
    assert not [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    assert max(map(relative, after, before)) < 1e-10


def test_every_batch_norm_of_the_paper_network_is_found() -> None:
    with torch.device("meta"):
        network = HRNetSimCC()
    count = sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    use_crop_statistics(network)
    assert sum(isinstance(module, CropNorm) for module in network.modules()) == count == 292
