"""Options of `heatpool doctor`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.networks import NetworkOptions
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import DisjointOptions, PictureOptions, WindowOptions

__all__ = ["DoctorOptions"]


@dataclass(frozen=True)
class DoctorOptions(NetworkOptions, WindowOptions, PictureOptions, DisjointOptions):
    """Check a data set before hours go into it.

    Every video, labels, splits, duplicates; with the options of an extraction also its boxes and networks.
    What extract would fail on, or call truncated, is an error here. Changes nothing.

    Exit code 0: nothing wrong (warnings may be printed); 3: errors were found; 1: no manifest to check.

    Attributes:
        manifest: manifest CSV, or a folder of videos
        out: CSV of the findings, one row per clip; default doctor.csv beside the manifest, an older one is
            replaced
        metadata_only: check labels, splits and file sizes only; seconds, whatever the number of videos
        decode: also read the frames of each clip as extract does; finds damage inside a file, takes as long
            as decoding
        workers: videos checked at the same time, 0 = all cores
    """

    manifest: Path
    out: Path | None = None
    _: KW_ONLY
    metadata_only: bool = False
    decode: bool = False
    workers: Annotated[int, Range(0, 1024)] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.metadata_only and self.decode:
            raise OptionError("expected --metadata-only or --decode, got both")
