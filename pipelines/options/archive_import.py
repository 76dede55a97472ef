"""Options of `heatpool archive import`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import OutputOptions, SkeletonOptions

__all__ = ["ImportOptions"]


@dataclass(frozen=True)
class ImportOptions(OutputOptions, SkeletonOptions):
    """Make a feature store from other programs' files.

    Nothing in a file is ever run.

    Attributes:
        source: file or folder to read
        out: store to make
        format: hdf5, npz, npy, pyskl as in export; features = arrays (frames, channels) of other networks,
            one .npy or .npz a video; ctrgcn = CTR-GCN's .npz; the others are keypoints of these programs
            (docs/keypoints.md), of mediapipe-world and ntu in space; auto = by suffix and beginning
        precision: of pooled values: f2 = 16 bits each, u1 = 8 bits; keypoints have 16
        manifest: of npy, features and keypoints: CSV with labels and splits, and start_s and end_s of parts
            of long videos; default manifest.csv in a folder of npy; else what names of files and folders say
        class_names: of pyskl and ctrgcn: text file with a class name per line, in label order
        frame_size: of keypoints: width and height, such as 640x480, of pictures whose size the file does not
            tell; default that of the manifest's video, if it is there
        fps: of keypoints and features: frames a second where the file does not tell them; likewise
        steps: of pyskl, features and keypoints: time steps that a clip is resampled to
        persons: of pyskl and keypoints: most persons per clip
        licence: licence of the data, free text
        shard_clips: clips per shard file
    """

    source: Path
    out: Path
    _: KW_ONLY
    format: Literal[
        "auto", "hdf5", "npz", "npy", "pyskl", "features", "sleap", "deeplabcut", "coco", "mmpose",
        "openpose", "alphapose", "ultralytics", "mediapipe", "mediapipe-world", "ntu", "ntu-2d", "ctrgcn",
        "movement",
    ] = "auto"  # fmt: skip
    precision: Literal["f2", "u1"] = "f2"
    manifest: Path | None = None
    class_names: Path | None = None
    frame_size: str = ""
    fps: Annotated[float, Range(0, 10_000)] = 0.0
    steps: Annotated[int, Range(1, 10_000)] = 64
    persons: Annotated[int, Range(1, 255)] = 2
    licence: str = ""
    shard_clips: Annotated[int, Range(1, 4096)] = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        width, _, height = self.frame_size.lower().partition("x")
        if self.frame_size and not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            raise OptionError(f"expected --frame-size such as 640x480, got {self.frame_size!r}")

    @property
    def frame_size_px(self) -> tuple[int, int] | None:
        """Width and height of `frame_size`."""
        if not self.frame_size:
            return None
        width, _, height = self.frame_size.lower().partition("x")
        return int(width), int(height)
