"""Options of `heatpool relabel`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.shared import OutputOptions

__all__ = ["RelabelOptions"]


@dataclass(frozen=True)
class RelabelOptions(OutputOptions):
    """Give a feature store the labels and splits of a manifest.

    Nothing is extracted again: the files of features stay as they are. Whoever is killed in between leaves
    the old store.

    Attributes:
        store: feature store, a folder; changed in place unless --out is given
        manifest: CSV with clip_id or path (and start_s, end_s); what it has no column for stays as it is,
            clips that it lacks become unlabelled and leave every split
        out: store to make instead
    """

    store: Path
    manifest: Path
    _: KW_ONLY
    out: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overwrite and self.out is None:
            raise OptionError("expected --out with --overwrite: without it the store itself is changed")
