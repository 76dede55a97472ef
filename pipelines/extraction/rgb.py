"""What `--rgb` asks for: the encoder of crops, and its description in the store."""

from __future__ import annotations

import torch

from heatpool.extract.rgb.crops import CropFiles, RgbEncoder
from heatpool.extract.rgb.networks import DEFAULT_SOURCES, ImageEmbedder
from heatpool.pipelines.extraction.backends import torch_dtype
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.records import RgbSpec

__all__ = ["build_rgb", "describe_rgb"]


def build_rgb(options: ExtractOptions, *, device: torch.device) -> RgbEncoder | None:
    """Return the encoder of a optionsuration, None without `--rgb`.

    Raises:
        HeatpoolError: if its network cannot be loaded or is made for another number of frames.
    """
    if options.rgb is None:
        return None
    if options.rgb == "crops":
        return CropFiles(options.rgb_frames)
    source = options.rgb_weights or DEFAULT_SOURCES[options.rgb]
    return ImageEmbedder(
        options.rgb,
        source,
        frames=options.rgb_frames,
        device=device,
        dtype=torch_dtype(options),
        fetch=options.fetch,
    )


def describe_rgb(options: ExtractOptions, encoder: RgbEncoder | None) -> RgbSpec | None:
    """Return what the store says of its RGB, None when it has none."""
    if options.rgb is None or encoder is None:
        return None
    return RgbSpec(options.rgb, encoder.frames, encoder.width, encoder.crop_px, encoder.weights_sha256)
