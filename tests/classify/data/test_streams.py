from __future__ import annotations

import numpy as np
import pytest
import torch

from heatpool.classify.data.streams import STREAMS, StreamName, make_stream
from heatpool.classify.networks.graph import HPNET_GRAPH, JointGraph
from tests.classify.deterministic_weights import array
from tests.paths import GOLDEN

ARM = JointGraph(name="arm", joints=3, bones=((1, 0), (2, 1)), links=(), centre=0)


@pytest.mark.parametrize("name", STREAMS)
def test_streams_equal_the_published_ones(name: StreamName) -> None:
    joint = torch.from_numpy(array("streams", (64, 2, 17, 6))).transpose(0, 1)  # (M, T, V, C)
    with np.load(GOLDEN / "streams.npz") as golden:
        expected = golden[name].transpose(3, 1, 2, 0)  # stored as (C, T, V, M)
    np.testing.assert_allclose(make_stream(joint, name, HPNET_GRAPH).numpy(), expected, rtol=0, atol=1e-6)


def test_an_arm_that_bends_by_hand() -> None:
    # shoulder stays at 1, elbow goes 3 -> 4, hand 6 -> 9; one channel, two steps
    joint = torch.tensor([[1.0, 3.0, 6.0], [1.0, 4.0, 9.0]])[..., None]
    values = {name: make_stream(joint, name, ARM)[..., 0].tolist() for name in STREAMS}
    assert values["joint"] == [[1, 3, 6], [1, 4, 9]]
    assert values["bone"] == [[0, 2, 3], [0, 3, 5]]
    assert values["joint_motion"] == [[0, 1, 3], [0, 0, 0]]
    assert values["bone_motion"] == [[0, 1, 2], [0, 0, 0]]


def test_streams_never_share_memory() -> None:
    joint = torch.randn(2, 5, 3, 2)
    before = joint.clone()
    made = {name: make_stream(joint, name, ARM) for name in STREAMS}
    starts = {tensor.untyped_storage().data_ptr() for tensor in (joint, *made.values())}
    assert len(starts) == 5
    made["joint_motion"].fill_(7.0)
    assert torch.equal(made["joint"], before)
    assert torch.equal(joint, before)


def test_wrong_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 3 joints"):
        make_stream(torch.zeros(4, 5, 2), "bone", ARM)
    with pytest.raises(ValueError, match="expected a stream"):
        make_stream(torch.zeros(4, 3, 2), "speed", ARM)  # type: ignore[arg-type]
