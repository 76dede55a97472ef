"""What `--rgb` asks for: the encoder of crops, and its description in the store."""

from __future__ import annotations

import torch

from heatpool.extract.rgb.crops import CropFiles, RgbEncoder
from heatpool.extract.rgb.networks import DEFAULT_SOURCES, ImageEmbedder
from heatpool.pipelines.extraction.backends import torch_dtype
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.records import RgbSpec

__all__ = ["build_rgb", "describe_rgb"]


def build_rgb(config: ExtractOptions, *, device: torch.device) -> RgbEncoder | None:
    """Return the encoder of a configuration, None without `--rgb`.

    Raises:
        HeatpoolError: if its network cannot be loaded or is made for another number of frames.
    """
    if config.rgb is None:
        return None
    if config.rgb == "crops":
        return CropFiles(config.rgb_frames)
    dtype = torch_dtype(config, device=device)
    source = config.rgb_weights or DEFAULT_SOURCES[config.rgb]
    return ImageEmbedder(
        config.rgb, source, frames=config.rgb_frames, device=device, dtype=dtype, fetch=config.fetch
    )


def describe_rgb(config: ExtractOptions, encoder: RgbEncoder | None) -> RgbSpec | None:
    """Return what the store says of its RGB, None when it has none."""
    if config.rgb is None or encoder is None:
        return None
    return RgbSpec(config.rgb, encoder.frames, encoder.width, encoder.crop_px, encoder.weights_sha256)
