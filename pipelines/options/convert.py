"""Options of `heatpool convert`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["ConvertOptions"]


@dataclass(frozen=True)
class ConvertOptions:
    """Write a feature store again in another precision.

    Attributes:
        store: feature store, archive or address
        out: store to write
        precision: f2 = float16; u1 = a byte a value, 256 levels per clip, person and channel, half the size
        overwrite: replace an existing store
        quiet: print problems only
    """

    store: str
    out: Path
    precision: Literal["f2", "u1"]
    overwrite: bool = False
    quiet: bool = False
