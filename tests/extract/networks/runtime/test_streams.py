from __future__ import annotations

import pytest
import torch

from heatpool.extract.networks.runtime.streams import network_stream


def test_nothing_changes_on_a_cpu() -> None:
    with network_stream(torch.device("cpu")):
        assert not torch.cuda.is_initialized() or torch.cuda.current_stream() == torch.cuda.default_stream()


@pytest.mark.gpu
def test_networks_have_a_stream_behind_what_was_started_before() -> None:
    device = torch.device("cuda")
    for _ in range(20):
        weights = torch.ones(4096, 4096, device=device)
        for _ in range(20):
            weights = weights @ weights / 4096  # still under way below
        with network_stream(device):
            assert torch.cuda.current_stream() != torch.cuda.default_stream()
            assert float(weights.sum()) == 4096**2
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
