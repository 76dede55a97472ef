"""The stream of a GPU in which networks run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

__all__ = ["network_stream"]


@contextmanager
def network_stream(device: torch.device) -> Iterator[None]:
    """Let what is started on a GPU run in a stream of its own, the same for all networks; nothing on a CPU.

    NVDEC waits for all of the default stream whenever it hands out a frame: networks there would keep it from
    decoding. What was started in the default stream before, such as the upload of weights, comes first. The
    GPU is this thread's current one meanwhile: pinned memory and events belong to it, and not to the first.
    """
    if device.type != "cuda":
        yield
        return
    with torch.cuda.device(device):
        stream = _stream(device)
        stream.wait_stream(torch.cuda.default_stream(device))
        with torch.cuda.stream(stream):
            yield


@cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
