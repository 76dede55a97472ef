"""Options of `heatpool manifest`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.fields import OptionError, require_at_least
from heatpool.pipelines.options.shared import OutputOptions, split_words

__all__ = ["ManifestOptions"]


@dataclass(frozen=True)
class ManifestOptions(OutputOptions):
    """Write the manifest of a data set: labels, subjects, splits.

    One row per clip with label, subject, camera and the official splits.

    Attributes:
        videos: folder of the videos, searched through
        out: CSV to write; what was left out is listed beside it in <out>.excluded.csv, with the reason
        dataset: folder = sub-folders name the classes (below train, val, test if there are such); csv = any
            table, see --annotations and --columns; the others by their published names
        annotations: table of csv, CSV files of kinetics400, trainlist and testlist files of ucf101 (else its
            splits go by the published groups): a file, or a folder of them
        columns: of csv: which column of the table is which, such as path=file,label=action,subject=person;
            columns called alike are found, further ones that hold train, val, test are protocols
        val_fraction: share of each train split to make a val split of, where the protocol has none
        val_subjects: subjects that make the val split instead, such as 3,17
        test_fraction: share of the clips to test on, for a data set without a protocol; it gets one, `split`
        val_by: what goes to val or test as a whole: auto = subject where every clip names one, else the video
        seed: of the draw
        keep_missing: keep samples that every paper leaves out (535 of NTU have no skeleton)
    """

    videos: Path
    out: Path
    _: KW_ONLY
    dataset: Literal[
        "folder", "csv", "ntu60", "ntu120", "smarthome", "uav-human", "nw-ucla", "ucf101", "kinetics400"
    ] = "folder"
    annotations: Path | None = None
    columns: str = ""
    val_fraction: float = 0.0
    val_subjects: str = ""
    test_fraction: float = 0.0
    val_by: Literal["auto", "subject", "camera", "setup", "repeat", "clip"] = "auto"
    seed: int = 0
    keep_missing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 0, "val_fraction", "test_fraction", "seed")
        if self.val_fraction >= 1 or self.test_fraction >= 1:
            raise OptionError("expected --val-fraction and --test-fraction below 1")
        if self.val_fraction and self.val_subjects:
            raise OptionError("expected --val-fraction or --val-subjects, got both")
        if self.val_subjects and self.val_by not in ("auto", "subject"):
            raise OptionError(f"expected --val-by subject with --val-subjects, got {self.val_by}")
        if self.annotations is not None and self.dataset not in ("csv", "kinetics400", "ucf101"):
            raise OptionError(f"expected no --annotations with --dataset {self.dataset}")
        if self.columns and self.dataset != "csv":
            raise OptionError(f"expected no --columns with --dataset {self.dataset}")
        if any(not (name and equals and column) for name, equals, column in self._pairs()):
            raise OptionError(f"expected --columns such as path=file,label=action, got {self.columns!r}")

    def _pairs(self) -> list[tuple[str, str, str]]:
        return [pair.strip().partition("=") for pair in self.columns.split(",")] if self.columns else []

    @property
    def column_names(self) -> dict[str, str]:
        """Manifest column to column of the table."""
        return {name: column for name, _, column in self._pairs()}

    @property
    def val_groups(self) -> tuple[str, ...]:
        """What `val_subjects` names."""
        return split_words(self.val_subjects)
