"""Options of `heatpool convert`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.shared import OutputOptions

__all__ = ["ConvertOptions"]


@dataclass(frozen=True)
class ConvertOptions(OutputOptions):
    """Write a feature store again in another precision.

    Attributes:
        store: feature store, archive or address
        out: store to write
        precision: f2 = float16; u1 = a byte per value, 256 levels per clip, person and channel, half the size
    """

    store: str
    out: Path
    _: KW_ONLY
    precision: Literal["f2", "u1"]
