"""Networks that were exported once, run an image at a time, with a graph for each size of the input."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from heatpool.extract.networks.runtime.graph_cache import GraphCache
from heatpool.extract.networks.runtime.sessions import Session

__all__ = ["ExportedRunner"]

_MOST_SIZES = 8  # whose sessions stay in memory: videos of a set come in a few sizes


class ExportedRunner:
    """Runs a network by another library.

    A graph is of one image, so that a result never depends on its batch.

    Args:
        network: (B, 3, H, W) → tensors, on the CPU, float32, in eval mode.
        title: of the network, for messages.
        open_session: makes a session of an exported graph and its title.
    """

    def __init__(
        self, network: nn.Module, *, title: str, open_session: Callable[[bytes, str], Session]
    ) -> None:
        self._graphs, self._title, self._open = GraphCache(network, title=title), title, open_session
        self._sessions: OrderedDict[tuple[int, int], Session] = OrderedDict()

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network; see `Runner`."""
        pixels = np.ascontiguousarray(images.numpy(), np.float32)
        return tuple(torch.from_numpy(each) for each in self._session(images).run(pixels))

    def _session(self, images: Tensor) -> Session:
        size = (images.shape[2], images.shape[3])
        if size not in self._sessions:
            self._sessions[size] = self._open(self._graphs.graph(size), self._title)
            if len(self._sessions) > _MOST_SIZES:
                self._sessions.popitem(last=False)
        self._sessions.move_to_end(size)
        return self._sessions[size]
