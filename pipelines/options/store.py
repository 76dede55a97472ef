"""Options of the commands that look at a feature store or write it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["ConvertConfig", "InfoConfig", "VerifyConfig"]


@dataclass(frozen=True)
class InfoConfig:
    """Show what a feature store holds: shape, classes, splits, statuses, bytes a clip, provenance.

    Attributes:
        store: feature store, archive or address
        csv: write the index and the results of all clips to this file instead
        overwrite: replace an existing file
    """

    store: str
    csv: Path | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class VerifyConfig:
    """Compare every file of a feature store with its recorded hash. Changes nothing.

    Exit code 0: all is there and sound; 1: shards are damaged or missing, extract --resume writes them again.

    Attributes:
        store: feature store
        quiet: no progress
    """

    store: Path
    quiet: bool = False


@dataclass(frozen=True)
class ConvertConfig:
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
