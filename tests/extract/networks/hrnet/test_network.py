from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from heatpool.extract.networks.hrnet.batchnorm import fold_batchnorm
from heatpool.extract.networks.hrnet.network import HRNET_TAPS, HRNetSimCC
from tests.classify.deterministic_weights import array
from tests.extract.networks.hrnet.hrnet_cases import narrow, narrow_crops, paper_network
from tests.paths import GOLDEN, SHARED

PUBLISHED = "hrnet_w48_simcc_256x192"
TOLERANCE = 1e-5  # of an output's largest value; 1.3e-6 seen, the published outputs are float32 too
BRANCH_TAPS = ("stage4_branch1", "stage4_branch2", "stage4_branch3", "stage4_out")


@pytest.fixture(scope="module")
def outputs() -> dict[str, dict[str, np.ndarray]]:
    """Outputs for the golden input, batch norms as they are and folded."""
    network = paper_network()
    crop = torch.from_numpy(array("hrnet", (1, 3, 256, 192)))
    found = {}
    for kind in ("plain", "folded"):
        if kind == "folded":
            fold_batchnorm(network)
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        with torch.inference_mode():
            output = network(crop, BRANCH_TAPS)
        assert output.vectors is not None
        tensors = {"pred_x": output.vectors[0], "pred_y": output.vectors[1], "heatmaps": output.heatmaps}
        found[kind] = {name: value.numpy() for name, value in (tensors | output.maps).items()}
    return found


def largest_difference(value: np.ndarray, golden: np.ndarray) -> float:
    assert value.shape == golden.shape
    return float(np.abs(value - golden).max() / np.abs(golden).max())


def test_names_and_shapes_are_those_of_the_published_checkpoint() -> None:
    published = json.loads((GOLDEN / f"{PUBLISHED}.keys.json").read_text(encoding="utf-8"))
    with torch.device("meta"):
        state = HRNetSimCC().state_dict()
    assert len(published) == 1758
    assert {name: list(value.shape) for name, value in state.items()} == published
    assert list(state) == list(published)


@pytest.mark.parametrize(("channels", "millions"), [(48, 63.6), (32, 28.5)])
def test_heatmap_networks_have_as_many_parameters_as_the_hrnet_paper_says(
    channels: int, millions: float
) -> None:
    with torch.device("meta"):
        network = HRNetSimCC(channels, split_ratio=None)
    assert round(sum(each.numel() for each in network.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize("kind", ["plain", "folded"])
def test_outputs_are_the_published_networks(outputs: dict[str, dict[str, np.ndarray]], kind: str) -> None:
    golden = np.load(GOLDEN / f"{PUBLISHED}.npz")  # every n-th channel, as the names say
    for name in golden.files:
        output, _, every = name.partition("_every_")
        step = int(every.rstrip("th") or 1)
        assert largest_difference(outputs[kind][output][:, ::step], golden[name]) < TOLERANCE, name


@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
@pytest.mark.parametrize("kind", ["plain", "folded"])
def test_outputs_are_the_published_networks_in_full(
    outputs: dict[str, dict[str, np.ndarray]], kind: str
) -> None:
    golden = np.load(SHARED / "golden" / f"{PUBLISHED}.npz")
    assert set(golden.files) == set(outputs[kind])
    for name in golden.files:
        step = 4 if name in ("stage4_branch2", "stage4_branch3", "stage4_out") else 1
        assert largest_difference(outputs[kind][name][:, ::step], golden[name]) < TOLERANCE, name


def test_every_tap_has_the_channels_and_size_of_its_branch() -> None:
    maps = narrow()(narrow_crops(2), HRNET_TAPS).maps
    assert maps.keys() == HRNET_TAPS.keys()
    for tap, branch in HRNET_TAPS.items():
        assert maps[tap].shape == (2, 4 * 2**branch, 24 // 2**branch, 16 // 2**branch), tap


def test_taps_do_not_change_what_follows() -> None:
    network, crops = narrow(), narrow_crops(1)
    with torch.inference_mode():
        assert torch.equal(network(crops).heatmaps, network(crops, HRNET_TAPS).heatmaps)
        maps = network(crops, HRNET_TAPS).maps
        assert torch.equal(maps["stage4_in1"], network(crops, ["stage4_in1"]).maps["stage4_in1"])
        assert not torch.equal(maps["stage4_in1"], maps["stage4_branch1"])


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 32, got 190 x 256"):
        HRNetSimCC(4, width_px=190)
    with pytest.raises(ValueError, match=r"quarters, got 1\.9"):
        HRNetSimCC(4, split_ratio=1.9)
