"""Who decodes videos: the CPU, or the GPU that the networks run on."""

from __future__ import annotations

import torch

from heatpool.extract.video.nvdec import check_nvdec
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.errors import HeatpoolError

__all__ = ["pick_decoder"]


def pick_decoder(options: ExtractOptions, device: torch.device) -> int | None:
    """Return the number of the GPU that decodes, None for the CPU.

    Raises:
        HeatpoolError: if `--decoder nvdec` is asked for and the device is no GPU that decodes.
    """
    if options.decoder == "cpu":
        return None
    if device.type != "cuda":
        raise HeatpoolError(
            f"expected --device cuda with --decoder nvdec, whose frames the networks take there; got {device}"
        )
    gpu = device.index if device.index is not None else torch.cuda.current_device()
    check_nvdec(gpu)
    return gpu
