"""HRNet for tests: narrow ones that run in milliseconds, and the paper's with name-derived weights."""

from __future__ import annotations

import torch
from torch import Tensor

from heatpool.extract.networks.hrnet.network import HRNetSimCC
from tests.classify.deterministic_weights import array, fill_


def narrow(*, split_ratio: float | None = 2.0, channels: int = 4) -> HRNetSimCC:
    """An HRNet with few channels and crops of 64 x 96, filled by name, in eval mode."""
    network = HRNetSimCC(channels, joints=5, height_px=96, width_px=64, split_ratio=split_ratio)
    fill_(network)
    return network.eval()


def narrow_crops(count: int) -> Tensor:
    """Crops as `narrow` takes them: normalised."""
    return torch.from_numpy(array("narrow", (count, 3, 96, 64)))


def paper_network() -> HRNetSimCC:
    """HRNet-W48 with the weights behind the golden outputs."""
    network = HRNetSimCC()
    fill_(network)
    return network.eval()
