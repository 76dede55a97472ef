"""Options that several commands share; each class is a group in their help, titled by its first line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError, check_ranges
from heatpool.pipelines.options.ranges import Range

__all__ = [
    "CacheOptions",
    "DeviceOptions",
    "DisjointOptions",
    "FoldOptions",
    "Options",
    "OutputOptions",
    "PictureOptions",
    "QuietOptions",
    "ResumeOptions",
    "SkeletonOptions",
    "WindowOptions",
    "split_words",
]


@dataclass(frozen=True)
class Options:
    """Base of all options classes."""

    def __post_init__(self) -> None:
        """Check what this class defines; raise OptionError. Here: that numbers are in their ranges."""
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class QuietOptions(Options):
    """Output.

    Attributes:
        quiet: print problems and results only
    """

    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions(QuietOptions):
    """Output.

    Attributes:
        overwrite: replace what is there already
    """

    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(OutputOptions):
    """Output.

    Attributes:
        resume: finish what was interrupted, with the same options
    """

    resume: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume and self.overwrite:
            raise OptionError("expected --resume or --overwrite, got both")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(Options):
    """Speed.

    Attributes:
        device: auto, cpu, cuda, cuda:0 or mps; auto = a GPU by CUDA if there is one, else the CPU
        threads: CPU threads in all, 0 = all cores
    """

    device: str = "auto"
    threads: Annotated[int, Range(0, 1024)] = 0


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """Videos that lie as single pictures.

    Attributes:
        fps: pictures per second; with it a folder of pictures, or a pattern of their names such as
            frames/img_%05d.jpg, is a video
    """

    fps: Annotated[float, Range(0, 10_000)] = 0.0


@dataclass(frozen=True, kw_only=True)
class FoldOptions(Options):
    """Cross-validation.

    Attributes:
        folds: divide all labelled clips into so many parts, each of which is the test split of a training of
            its own; 0 = train on the splits there are
        fold_by: what no two folds share: a column (subject, camera, …), video, or clip = nothing but clips;
            default subject where every clip names one, else video
    """

    folds: Annotated[int, Range(2, 1000, or_zero=True)] = 0
    fold_by: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold_by and not self.folds:
            raise OptionError("expected --folds with --fold-by")


@dataclass(frozen=True, kw_only=True)
class CacheOptions(Options):
    """Cache of decoded features.

    Attributes:
        cache: where they are kept: ram = in memory; disk = in a file that runs share, for what does not fit
            or comes from far; none = nowhere, slow
        cache_dir: folder of the caches on disk; default heatpool in the user's cache folder
        cache_gb: most that this folder may hold; what was not used for longest makes room
    """

    cache: Literal["ram", "disk", "none"] = "ram"
    cache_dir: Path | None = None
    cache_gb: Annotated[float, Range(0, 1e9)] = 100.0


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Options):
    """Time windows.

    Attributes:
        window_s: cut videos into clips of so many seconds, 0 = whole videos
        stride_s: seconds from one window to the next; default the window's length
    """

    window_s: Annotated[float, Range(0.01, 1e6, or_zero=True)] = 0.0
    stride_s: Annotated[float, Range(0.01, 1e6, or_zero=True)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride_s and not self.window_s:
            raise OptionError("expected --window-s with --stride-s")


@dataclass(frozen=True, kw_only=True)
class SkeletonOptions(Options):
    """Joints.

    Attributes:
        skeleton: YAML file with names of the joints and pairs that are joined, where nothing else says
            them, or others are meant
    """

    skeleton: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DisjointOptions(Options):
    """Data set.

    Attributes:
        disjoint: columns whose values the splits of a protocol must not share, such as
            my_split=subject,other=camera; added to what manifest or store says
    """

    disjoint: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(protocol and column for protocol, column in self.disjoint_columns.items()):
            raise OptionError(
                f"expected --disjoint such as my_split=subject,other=camera, got {self.disjoint!r}"
            )

    @property
    def disjoint_columns(self) -> Mapping[str, str]:
        """Column by protocol."""
        pairs = (word.partition("=") for word in split_words(self.disjoint))
        return {protocol: column for protocol, _, column in pairs}


def split_words(text: str) -> tuple[str, ...]:
    """Split at commas, without empty words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
