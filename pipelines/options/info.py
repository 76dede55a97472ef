"""Options of `heatpool info`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heatpool.pipelines.options.shared import OutputOptions

__all__ = ["InfoOptions"]


@dataclass(frozen=True)
class InfoOptions(OutputOptions):
    """Show what a feature store holds.

    Shape, classes, splits, statuses, bytes per clip, provenance.

    Attributes:
        store: feature store, archive or address
        csv: write the index and the results of all clips to this file instead
    """

    store: str
    csv: Path | None = None
