from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import Tensor

from heatpool.classify.networks.ctrgcn import CTRGCN, pack_persons
from heatpool.classify.networks.graph import HPNET_GRAPH
from heatpool.classify.networks.plain import plain_forward
from tests.classify.deterministic_weights import array, fill_
from tests.paths import GOLDEN

ADJACENCY = torch.from_numpy(HPNET_GRAPH.adjacency())
SMALL = {"width": 8, "layers": ((1, 1), (1, 1), (2, 2), (2, 1))}


def small_model(channels: int = 5, classes: int = 4, **options: object) -> CTRGCN:
    return fill_(CTRGCN(channels, classes, adjacency=ADJACENCY, **{**SMALL, **options}))  # type: ignore[return-value, arg-type]


def golden_input() -> Tensor:
    """(N, M, T, V, C) of the published (N, C, T, V, M)."""
    return torch.from_numpy(np.abs(array("ctrgcn", (3, 96, 64, 17, 2)))).permute(0, 4, 2, 3, 1).contiguous()


def test_published_network() -> None:
    keys = json.loads((GOLDEN / "ctrgcn_17x2_60.keys.json").read_text())
    model = CTRGCN(96, 60, adjacency=ADJACENCY)
    assert {name: list(tensor.shape) for name, tensor in model.state_dict().items()} == keys
    fill_(model).eval()
    x, both = golden_input(), torch.ones(3, 2, dtype=torch.bool)
    with torch.no_grad(), np.load(GOLDEN / "ctrgcn_17x2_60.npz") as golden:
        got = {"features": model.features(*pack_persons(x, both), clips=3), "logits": model(x, both)}
        for name, tensor in got.items():
            scale = np.abs(golden[name]).max()
            np.testing.assert_allclose(tensor.numpy(), golden[name], rtol=0, atol=1e-5 * scale)


def test_training_step_equals_the_plain_network() -> None:
    """Loss, every gradient and every running statistic, in float64."""
    fast = small_model().double().train()
    plain = copy.deepcopy(fast)
    x = torch.rand(3, 2, 9, 17, 5, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 1])
    outputs = [fast(x, torch.ones(3, 2, dtype=torch.bool)), plain_forward(plain, x)]
    losses = [torch.nn.functional.cross_entropy(logits, labels) for logits in outputs]
    grads = [
        torch.autograd.grad(loss, [x, *model.parameters()])
        for loss, model in zip(losses, (fast, plain), strict=True)
    ]
    torch.testing.assert_close(losses[0], losses[1])
    for got, expected in zip(*grads, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)
    for got, expected in zip(fast.state_dict().values(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_gradients_do_not_depend_on_how_persons_are_chunked(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model().double().train()
    x = torch.rand(5, 1, 6, 17, 5, dtype=torch.float64)

    results = []
    for floats in (1, 20_000, 1 << 30):  # one person at a time, some, all
        monkeypatch.setattr("heatpool.classify.networks.graphconv._CHUNK_FLOATS", floats)
        twin = copy.deepcopy(model)
        out = twin(x, torch.ones(5, 1, dtype=torch.bool))
        results.append(torch.autograd.grad(out.logsumexp(1).sum(), list(twin.parameters())))
    for other in results[1:]:
        for got, expected in zip(other, results[0], strict=True):
            torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-12)


def test_bfloat16_autocast_stays_close_to_float32() -> None:
    torch.manual_seed(0)
    model = small_model().train()
    x, both = torch.rand(6, 2, 16, 17, 5), torch.ones(6, 2, dtype=torch.bool)
    labels = torch.arange(6) % 4
    logits, gradients = [], []
    for enabled in (False, True):
        twin = copy.deepcopy(model)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            out = twin(x, both)
            loss = torch.nn.functional.cross_entropy(out, labels)
        grads = torch.autograd.grad(loss, list(twin.parameters()))
        logits.append(out.float())
        gradients.append(torch.cat([each.flatten() for each in grads]))
        assert all(each.dtype == torch.float32 for each in grads)
    assert torch.isfinite(gradients[1]).all()
    assert (logits[0] - logits[1]).abs().max() < 0.03 * logits[0].abs().max()
    assert torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0) > 0.99


def test_absent_persons_do_not_matter() -> None:
    model = small_model().eval()
    x = torch.rand(4, 2, 8, 17, 5)
    present = torch.tensor([[True, True], [True, False], [False, True], [True, False]])
    noise = torch.where(present[:, :, None, None, None], x, 100 * torch.randn_like(x))
    torch.testing.assert_close(model(x, present), model(noise, present))
    alone = model(x[1:2, :1], torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(model(x, present)[1:2], alone)


def test_a_copied_person_counts_as_one_where_slots_share_their_norm() -> None:
    """The published loaders copy person 1 into an empty slot; leaving it out is then the same function."""
    model = small_model().eval()
    for values in (
        model.data_bn.weight,
        model.data_bn.bias,
        model.data_bn.running_mean,
        model.data_bn.running_var,
    ):
        halves = values.data.view(2, -1)
        halves[1] = halves[0]
    x = torch.rand(3, 1, 8, 17, 5)
    twice = model(x.expand(-1, 2, -1, -1, -1), torch.ones(3, 2, dtype=torch.bool))
    once = model(x, torch.ones(3, 1, dtype=torch.bool))
    torch.testing.assert_close(once, twice)


def test_input_norm_learns_each_slot_from_its_own_persons() -> None:
    model = small_model(channels=1).train()
    model.data_bn.running_mean.zero_()
    x = torch.zeros(3, 2, 8, 17, 1)
    x[:, 0], x[1, 1] = 10.0, 20.0
    model(x, torch.tensor([[True, False], [True, True], [True, False]]))
    mean = model.data_bn.running_mean.view(2, 17)
    torch.testing.assert_close(mean[0], torch.full((17,), 1.0))  # momentum 0.1
    torch.testing.assert_close(mean[1], torch.full((17,), 2.0))


@pytest.mark.parametrize("options", [{"width": 6}, {"layers": ()}, {"persons": 0}])
def test_impossible_networks_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected counts"):
        CTRGCN(3, 2, adjacency=ADJACENCY, **options)  # type: ignore[arg-type]


def test_pack_persons_by_hand() -> None:
    x = torch.arange(4.0).view(2, 2, 1, 1, 1)
    packed, clip, slot = pack_persons(x, torch.tensor([[True, False], [True, True]]))
    assert packed.flatten().tolist() == [0, 2, 3]
    assert clip.tolist() == [0, 1, 1]
    assert slot.tolist() == [0, 0, 1]
    with pytest.raises(ValueError, match="expected present"):
        pack_persons(x, torch.ones(2, 1, dtype=torch.bool))
