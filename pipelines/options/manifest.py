"""Options of `heatpool manifest`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import OutputOptions, split_words

__all__ = ["ManifestOptions"]

_INTERVALS = ("intervals", "elan", "boris")
_LISTED = ("hmdb51", "diving48", "gym99", "gym288", "kinetics400", "ssv2", "ucf101")

_ONLY = {
    "annotations": ("csv", "list", *_INTERVALS, *_LISTED),
    "columns": ("csv", "intervals"),
    "class_names": ("csv", "list", *_INTERVALS),
    "tiers": ("elan",),
    "point_s": _INTERVALS,
    "background": _INTERVALS,
}
"""Data sets that an option is for."""


@dataclass(frozen=True)
class ManifestOptions(OutputOptions):
    """Write the manifest of a data set: labels, subjects, splits.

    One row per clip with label, subject, camera and the official splits.

    Attributes:
        videos: folder of the videos, searched through
        out: CSV to write; what was left out is listed beside it in <out>.excluded.csv, with the reason
        dataset: folder = sub-folders name the classes (below train, val, test if there are such); csv = any
            table, see --annotations and --columns; list = lines of `path label`, or `folder frames label`, as
            MMAction2 has them; intervals = a table of path, start, end, label; elan, boris = files of these
            programs; the others by their published names
        annotations: table of csv and intervals; .eaf files of elan (else those in the folder of videos);
            table of events or .boris project of boris; lists of list, whose names say train, val or test;
            published files of kinetics400, hmdb51, diving48, gym99, gym288, ssv2 and, if you like, ucf101: a
            file, or a folder of them
        columns: of csv and intervals: which column of the table is which, such as
            path=file,label=action,subject=person; columns called alike are found, further ones that hold
            train, val, test are protocols, others are left out
        class_names: classes in label order: text file with a name per line; numbers before the names (as in
            `1 walk`) are those of the labels, else the first is 0
        fps: pictures per second; makes a video of each folder that holds several pictures (jpg, png, …)
        frames: pattern of the names of the pictures that count, such as img_%05d.jpg, where a folder also
            holds others
        tiers: of elan: tiers whose annotations become clips, such as gesture,posture
        point_s: of elan, boris and intervals: length in seconds of the clip around an event without a length;
            0 = no clip
        background: of elan, boris and intervals: class of the clips of what no interval covers
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
        "folder", "csv", "list", "intervals", "elan", "boris", "ntu60", "ntu120", "smarthome", "uav-human",
        "nw-ucla", "ucf101", "hmdb51", "diving48", "gym99", "gym288", "kinetics400", "ssv2",
    ] = "folder"  # fmt: skip
    annotations: Path | None = None
    columns: str = ""
    class_names: Path | None = None
    fps: Annotated[float, Range(0, 10_000)] = 0.0
    frames: str = ""
    tiers: str = ""
    point_s: Annotated[float, Range(0, 1e6)] = 0.0
    background: str = ""
    val_fraction: Annotated[float, Range(0, 1)] = 0.0
    val_subjects: str = ""
    test_fraction: Annotated[float, Range(0, 1)] = 0.0
    val_by: Literal["auto", "subject", "camera", "setup", "repeat", "clip"] = "auto"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    keep_missing: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_fraction >= 1 or self.test_fraction >= 1:
            raise OptionError("expected --val-fraction and --test-fraction below 1")
        if self.val_fraction and self.val_subjects:
            raise OptionError("expected --val-fraction or --val-subjects, got both")
        if self.val_subjects and self.val_by not in ("auto", "subject"):
            raise OptionError(f"expected --val-by subject with --val-subjects, got {self.val_by}")
        if self.frames and not self.fps:
            raise OptionError("expected --fps with --frames: pictures have no times")
        for name, kinds in _ONLY.items():
            if getattr(self, name) and self.dataset not in kinds:
                flag = f"--{name.replace('_', '-')}"
                raise OptionError(f"expected no {flag} with --dataset {self.dataset}")
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
