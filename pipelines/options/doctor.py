"""Options of `heatpool doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from heatpool.pipelines.options.fields import OptionError, require_at_least
from heatpool.pipelines.options.shared import QuietOptions, read_disjoint

__all__ = ["DoctorOptions"]


@dataclass(frozen=True)
class DoctorOptions(QuietOptions):
    """Check a data set before hours go into it.

    Every video, labels, splits, duplicates. Changes nothing.

    Exit code 0: nothing wrong (warnings may be printed); 3: errors were found; 1: no manifest to check.

    Attributes:
        manifest: manifest CSV, or a folder of videos
        out: CSV of the findings, one row per clip; default doctor.csv beside the manifest, an older one is
            replaced
        metadata_only: check labels, splits and file sizes only; seconds, whatever the number of videos
        decode: decode every frame too; finds damage inside a file, takes as long as watching is computed
        disjoint: columns whose values the splits of a protocol must not share, such as
            my_split=subject,other=camera; added to what the manifest says
        workers: videos checked at the same time, 0 = all cores
    """

    manifest: Path
    out: Path | None = None
    _: KW_ONLY
    metadata_only: bool = False
    decode: bool = False
    disjoint: str = ""
    workers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 0, "workers")
        if self.metadata_only and self.decode:
            raise OptionError("expected --metadata-only or --decode, got both")
        read_disjoint(self.disjoint)

    @property
    def disjoint_columns(self) -> Mapping[str, str]:
        """Column by protocol."""
        return read_disjoint(self.disjoint)
