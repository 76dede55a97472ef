"""Batches on their way to a device and back, which need not be waited for where the device is a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = ["start_to_host", "to_device"]


def to_device(images: Sequence[np.ndarray], device: torch.device) -> Tensor:
    """Gather images of one shape and bring them to a device."""
    # A copy out of memory that may be paged out would wait for the device.
    gathered = torch.from_numpy(np.empty((len(images), *images[0].shape), images[0].dtype))
    if device.type == "cuda":
        gathered = torch.empty_like(gathered, pin_memory=True)
    np.stack(images, out=gathered.numpy())
    return gathered.to(device, non_blocking=True)


def start_to_host(*tensors: Tensor) -> Callable[[], list[np.ndarray]]:
    """Start copying tensors to the host; what is returned waits for the copies, but for no later work."""
    if not tensors[0].is_cuda:
        return lambda: [each.cpu().numpy() for each in tensors]
    copies = [each.to("cpu", non_blocking=True) for each in tensors]
    copied = torch.cuda.Event()
    copied.record()

    def wait() -> list[np.ndarray]:
        copied.synchronize()
        return [each.numpy() for each in copies]

    return wait
