"""Runners: a network's arithmetic behind one call, whichever library does it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from heatpool.extract.networks.runtime.cuda_graphs import GraphRunner
from heatpool.extract.networks.runtime.exported import ExportedRunner
from heatpool.extract.networks.runtime.sessions import Session, open_session
from heatpool.pool.errors import HeatpoolError

__all__ = ["Runner", "Runtime", "TorchRunner", "make_runner", "runs_module"]

Runtime = Literal["torch", "cuda-graphs", "onnxruntime", "openvino"]


class Runner(Protocol):
    """A network, ready to run: predictions first, then the tapped maps."""

    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network on images (B, 3, H, W) float32, normalised, on its device."""
        ...


class TorchRunner:
    """Runs a module as it is.

    Args:
        network: (B, 3, H, W) → tensors, on its device, in eval mode.
        dtype: of its first layer.
        layout: of its input in memory.
    """

    def __init__(
        self, network: nn.Module, *, dtype: torch.dtype, layout: torch.memory_format = torch.channels_last
    ) -> None:
        self.network, self._dtype, self._layout = network, dtype, layout

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> tuple[Tensor, ...]:
        """Run the network; see `Runner`."""
        found: tuple[Tensor, ...] = self.network(
            images.to(self._dtype).contiguous(memory_format=self._layout)
        )
        return found


def runs_module(runtime: Runtime) -> bool:
    """Return whether a runtime runs the module itself, where and in the types that its weights are."""
    return runtime in ("torch", "cuda-graphs")


def make_runner(
    network: nn.Module,
    *,
    runtime: Runtime,
    title: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    layout: torch.memory_format = torch.channels_last,
) -> Runner:
    """Make a network ready to run.

    Args:
        network: (B, 3, H, W) → tensors; it is float32 here, unless torch runs it. Its `repr` tells what its
            tensors do not, such as its taps: exports are kept by both.
        runtime: torch runs the module itself, cuda-graphs as CUDA graphs of it; the others run an export of
            it, on the CPU.
        title: of the network, for messages.
        device: where the module lies.
        dtype: what it computes in: float32, for OpenVINO also bfloat16.
        layout: of the input in memory, for torch.

    Raises:
        HeatpoolError: if the runtime is not installed, does not know the device or dtype, or the network
            cannot be exported.
    """
    if runtime == "cuda-graphs":
        if torch.device(device).type != "cuda":
            raise HeatpoolError(f"expected --device cuda with --runtime cuda-graphs, got {device}")
        return GraphRunner(network, dtype=dtype, layout=layout)
    if runtime == "torch":
        return TorchRunner(network, dtype=dtype, layout=layout)
    opener = _opener(runtime, device=torch.device(device), dtype=dtype)
    return ExportedRunner(network, title=title, open_session=opener)


def _opener(runtime: Runtime, *, device: torch.device, dtype: torch.dtype) -> Callable[[bytes, str], Session]:
    if device.type != "cpu":
        raise HeatpoolError(f"expected --runtime torch with --device {device.type}, got {runtime}")
    known = (torch.float32, torch.bfloat16) if runtime == "openvino" else (torch.float32,)
    if dtype not in known:
        names = " or ".join(str(each)[6:] for each in known)
        raise HeatpoolError(f"expected --dtype {names} with --runtime {runtime}, got {str(dtype)[6:]}")
    return lambda content, title: open_session(
        content, runtime=runtime, title=title, bfloat16=dtype == torch.bfloat16
    )
