"""Options of the commands that look at data sets and stores."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["InfoConfig", "ManifestConfig"]


@dataclass(frozen=True)
class ManifestConfig:
    """Write the manifest of a folder of videos: one row a clip, to be edited and given to extract.

    Attributes:
        videos: folder; when every video lies in a sub-folder, the first one names its class
        out: CSV to write
        overwrite: replace an existing file
    """

    videos: Path
    out: Path
    overwrite: bool = False


@dataclass(frozen=True)
class InfoConfig:
    """Show what a feature store holds: shape, classes, splits, statuses, bytes a clip, provenance.

    Attributes:
        store: feature store
    """

    store: Path
