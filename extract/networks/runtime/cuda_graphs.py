"""CUDA graphs: a network's hundreds of kernels started by one call, which is what a small batch waits for.

A graph is of one shape and reads and writes always the same memory. So batches are padded to a few sizes, and
what a graph wrote is copied before another one runs.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Capture", "Captured", "GraphRunner", "capture_graph", "padded_size"]

_log = logging.getLogger(__name__)

_MOST_GRAPHS = 8  # that are kept: sizes of video times sizes of batch


@dataclass(frozen=True, eq=False)
class Captured:
    """A run of a network that can be repeated.

    Attributes:
        replay: repeats it, on what lies in the memory of its input now.
        outputs: where it puts its results.
    """

    replay: Callable[[], None]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class _Graph:
    """A captured run, the memory of its input, and what the network kept for it from call to call."""

    batch: Tensor
    captured: Captured
    kept: tuple[Tensor, ...]


Capture = Callable[[Callable[[], tuple[Tensor, ...]]], Captured]


class GraphRunner:
    """Runs a network by CUDA graphs; see `heatpool.extract.networks.runtime.runner.Runner`.

    A batch is padded to the next power of two, so that shapes come again; images do not know of each other
    in a network in eval mode, and what it says of the padding is dropped. The first batch of a shape runs as
    it is, which is the warm-up that libraries need, and a shape that comes once costs no memory; the second
    one captures. Of more than `most` shapes the one that was not used for longest is forgotten.

    Args:
        network: (B, 3, H, W) → tensors (B, ...), on its device, in eval mode.
        dtype: of its first layer.
        layout: of its input in memory.
        capture: makes a run repeatable; by default `capture_graph` in a memory of this network alone.
        most: graphs that are kept.
    """

    def __init__(
        self,
        network: nn.Module,
        *,
        dtype: torch.dtype,
        layout: torch.memory_format = torch.channels_last,
        capture: Capture | None = None,
        most: int = _MOST_GRAPHS,
    ) -> None:
        self.network, self._dtype, self._layout = network, dtype, layout
        self._capture, self._most = capture or capture_graph(), most
        self._met: set[tuple[int, ...]] = set()
        self._graphs: OrderedDict[tuple[int, ...], _Graph] = OrderedDict()

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network; see `Runner`."""
        count = len(images)
        shape = (padded_size(count), *images.shape[1:])
        if shape in self._graphs:
            self._graphs.move_to_end(shape)
            graph = self._graphs[shape]
            graph.batch[:count].copy_(images)
            graph.captured.replay()
            outputs = graph.captured.outputs
        else:
            batch = torch.zeros(shape, dtype=self._dtype, device=images.device)
            batch = batch.contiguous(memory_format=self._layout)
            batch[:count].copy_(images)
            outputs = self._first_runs(shape, batch)
        # The next run writes to the same memory, and the next graph to that of this one.
        return tuple(each[:count].clone() for each in outputs)

    def _first_runs(self, shape: tuple[int, ...], batch: Tensor) -> tuple[Tensor, ...]:
        """Run a batch as it is if its shape is new, else capture the run."""
        if shape not in self._met:
            self._met.add(shape)
            _log.debug("a batch of %s runs without a CUDA graph: it is the first of its shape", shape)
            found: tuple[Tensor, ...] = self.network(batch)
            return found
        if len(self._graphs) == self._most:  # before the new one, so that its memory can be used again
            forgotten, _ = self._graphs.popitem(last=False)
            _log.info("more than %d shapes of batches: the CUDA graph of %s goes", self._most, forgotten)
        # YOLO keeps the anchors of the last shape and makes those of another on the host, which no capture
        # may: this run makes them, and they stay while the graph reads them.
        self.network(batch)
        captured = self._capture(lambda: self.network(batch))
        captured.replay()  # what was captured has not run
        self._graphs[shape] = _Graph(batch, captured, _held(self.network))
        return captured.outputs


def _held(network: nn.Module) -> tuple[Tensor, ...]:
    """Return the tensors that modules hold beside parameters and buffers."""
    return tuple(
        value for module in network.modules() for value in vars(module).values() if isinstance(value, Tensor)
    )


def padded_size(count: int) -> int:
    """Return the size that a batch of `count` images is padded to: the next power of two."""
    return 1 << (count - 1).bit_length()


def capture_graph() -> Capture:
    """Return what captures CUDA graphs, all in one pool of memory: no two of them run at a time."""
    pool = torch.cuda.graph_pool_handle()

    def capture(run: Callable[[], tuple[Tensor, ...]]) -> Captured:
        graph = torch.cuda.CUDAGraph()
        # Threads that decode or copy meanwhile are none of a capture's business.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
            outputs = run()
        return Captured(graph.replay, outputs)

    return capture
