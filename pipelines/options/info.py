"""Options of `heatpool info`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["InfoOptions"]


@dataclass(frozen=True)
class InfoOptions:
    """Show what a feature store holds: shape, classes, splits, statuses, bytes a clip, provenance.

    Attributes:
        store: feature store, archive or address
        csv: write the index and the results of all clips to this file instead
        overwrite: replace an existing file
    """

    store: str
    csv: Path | None = None
    overwrite: bool = False
