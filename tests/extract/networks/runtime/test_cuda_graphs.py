"""Batches become those of a few shapes, and nothing that a graph overwrites is handed out.

A pretended graph writes to the same memory at every run, and all graphs to one memory, as CUDA's do.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.runtime.cuda_graphs import Captured, GraphRunner, padded_size
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.ultralytics import PersonNetwork
from tests.extract.networks.hrnet.hrnet_cases import narrow


class Network(nn.Module):
    """Doubles its input and averages it; counts its runs."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        self.batches.append(len(images))
        return images * 2, images.mean((1, 2, 3))


class Graphs:
    """Stands for `capture_graph`: a capture runs nothing, and every replay spoils what graphs gave before."""

    def __init__(self) -> None:
        self.captured = 0
        self.memory: list[Tensor] = []

    def __call__(self, run: Callable[[], tuple[Tensor, ...]]) -> Captured:
        self.captured += 1
        outputs = tuple(torch.full_like(each, torch.nan) for each in run())
        self.memory += outputs

        def replay() -> None:
            for each in self.memory:
                each.fill_(torch.nan)
            for kept, found in zip(outputs, run(), strict=True):
                kept.copy_(found)

        return Captured(replay, outputs)


def images(count: int, *, side: int = 4, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def runner(network: nn.Module, graphs: Graphs, *, most: int = 8) -> GraphRunner:
    return GraphRunner(network, dtype=torch.float32, capture=graphs, most=most)


@pytest.mark.parametrize(("count", "size"), [(1, 1), (2, 2), (3, 4), (33, 64), (64, 64)])
def test_batches_are_padded_to_powers_of_two(count: int, size: int) -> None:
    assert padded_size(count) == size


def test_results_are_those_of_the_images_alone_and_stay() -> None:
    run = runner(Network(), Graphs())
    batches = [images(count, side=side, seed=count) for count, side in [(3, 4), (4, 4), (3, 6), (2, 4)] * 4]
    results = [run(batch) for batch in batches]
    for batch, (doubled, means) in zip(batches, results, strict=True):
        torch.testing.assert_close(doubled, batch * 2, rtol=0, atol=0)
        torch.testing.assert_close(means, batch.mean((1, 2, 3)))


def test_the_first_of_a_shape_runs_as_it_is_the_second_captures() -> None:
    network, graphs = Network(), Graphs()
    run = runner(network, graphs)
    for count, captured in [(3, 0), (4, 1), (3, 1), (1, 1), (1, 2)]:
        run(images(count))
        assert graphs.captured == captured
    assert set(network.batches) == {4, 1}


def test_few_graphs_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    graphs = Graphs()
    run = runner(Network(), graphs, most=2)
    with caplog.at_level(logging.INFO):
        for side in (4, 4, 6, 6, 4, 8, 8):  # 6 was not used for longest
            run(images(2, side=side))
        assert graphs.captured == 3
        assert "more than 2 shapes of batches: the CUDA graph of (2, 3, 6, 6) goes" in caplog.text
    run(images(2, side=4))
    assert graphs.captured == 3
    run(images(2, side=6))
    assert graphs.captured == 4


class Anchored(nn.Module):
    """Keeps what belongs to the last shape, as YOLO does, and makes it anew for another."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors, self.made = torch.zeros(0), 0

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        if len(self.anchors) != images.shape[2]:
            self.anchors, self.made = torch.arange(images.shape[2]), self.made + 1
        return (images.sum((1, 3)) + self.anchors,)


def test_what_a_network_keeps_for_a_shape_is_made_outside_of_captures_and_stays() -> None:
    network, graphs = Anchored(), Graphs()

    def capture(run: Callable[[], tuple[Tensor, ...]]) -> Captured:
        before = network.made
        captured = graphs(run)
        assert network.made == before
        return captured

    run = GraphRunner(network, dtype=torch.float32, capture=capture, most=1)
    run(images(2, side=4))
    run(images(2, side=6))
    run(images(2, side=4))
    kept = weakref.ref(network.anchors)
    run(images(2, side=8))
    assert kept() is not None
    run(images(2, side=8))  # the graph that read them goes
    assert kept() is None


BUILD = {
    "hrnet": lambda runtime: HRNetBackbone(narrow(), device="cuda", runtime=runtime).forward,
    "yolo": lambda runtime: yolo(runtime),
}


def yolo(runtime: Runtime) -> Callable[[Tensor], tuple[Tensor, ...]]:
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(0)
    model = PoseModel("yolo11n-pose.yaml", nc=1, verbose=False).eval()
    model.fuse(verbose=False)
    network = PersonNetwork(model, image_px=128, taps=[16], device="cuda", runtime=runtime)
    return lambda images: network._runner(images.permute(0, 3, 1, 2) / 255)


@pytest.mark.gpu
@pytest.mark.parametrize("name", BUILD)
def test_graphs_give_what_the_network_gives(name: str) -> None:
    """In batches and sizes that take turns, so that a graph runs after the network has seen another shape."""
    with torch.no_grad(), torch.backends.cudnn.flags(allow_tf32=False):
        plain, graphs = (BUILD[name](runtime) for runtime in ("torch", "cuda-graphs"))
        sizes = [(96, 64)] if name == "hrnet" else [(96, 128), (128, 96)]
        for count in (4, 3, 4, 2, 2, 4, 1, 1, 3):
            for height, width in sizes:
                batch = torch.randint(0, 255, (count, height, width, 3), dtype=torch.uint8, device="cuda")
                found, wanted = graphs(batch), plain(batch)
                if name == "hrnet":
                    found, wanted = ((*each.maps, each.scores) for each in (found, wanted))
                torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-2)
