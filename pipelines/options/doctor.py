"""Options of `heatpool doctor`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heatpool.pipelines.options.checks import require_at_least

__all__ = ["DoctorOptions"]


@dataclass(frozen=True)
class DoctorOptions:
    """Check a data set before hours go into it: every video, labels, splits, duplicates. Changes nothing.

    Exit code 0: nothing wrong (warnings may be printed); 3: errors were found; 1: no manifest to check.

    Attributes:
        manifest: manifest CSV, or a folder of videos
        out: CSV of the findings, one row a clip; default doctor.csv beside the manifest, an older one is
            replaced
        metadata_only: look at labels, splits and file sizes only; seconds, whatever the number of videos
        decode: decode every frame too; finds damage inside a file, takes as long as watching is computed
        disjoint: columns that parts of own protocols must not share, such as my_split=subject
        workers: videos looked at at the same time, 0 = all cores
        quiet: print problems only
    """

    manifest: Path
    out: Path | None = None
    metadata_only: bool = False
    decode: bool = False
    disjoint: str = ""
    workers: int = 0
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 0, "workers")
        if self.metadata_only and self.decode:
            raise ValueError("expected --metadata-only or --decode, got both")
        if any(not (name and column) for name, column in self.disjoint_columns.items()):
            raise ValueError(f"expected --disjoint such as my_split=subject, got {self.disjoint!r}")

    @property
    def disjoint_columns(self) -> dict[str, str]:
        """Protocol to the column whose values its parts must not share."""
        pairs = [pair.strip().partition("=") for pair in self.disjoint.split(",") if pair.strip()]
        return {name: column for name, _, column in pairs}
