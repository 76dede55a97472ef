"""Options of `heatpool verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["VerifyOptions"]


@dataclass(frozen=True)
class VerifyOptions:
    """Compare every file of a feature store with its recorded hash. Changes nothing.

    Exit code 0: all is there and sound; 1: shards are damaged or missing, extract --resume writes them again.

    Attributes:
        store: feature store
        quiet: no progress
    """

    store: Path
    quiet: bool = False
