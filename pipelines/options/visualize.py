"""Options of `heatpool visualize`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.networks import NetworkOptions
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import OutputOptions, PictureOptions

__all__ = ["VisualizeOptions"]


@dataclass(frozen=True)
class VisualizeOptions(NetworkOptions, PictureOptions, OutputOptions):
    """Draw persons, joints, heatmaps and energy over a video.

    Energy is the norm of the pooled features.

    Attributes:
        video: video file, or with --fps pictures
        out: annotated video to write, .mp4; without --out and --sheet it is <video>-overlay.mp4 here
        sheet: contact sheet to write, .png; without --out and --sheet it is <video>-sheet.png here
        sheet_frames: pictures on the contact sheet, evenly spaced in time
        heatmaps: all = the highest of all joints, none, or joints by name: left_wrist,right_wrist
        size: longer side of the drawn frames in pixels
        start_s: where to begin in the video
        end_s: where to stop; default its end
        frame_stride: take every so many frames
    """

    video: Path
    out: Path | None = None
    _: KW_ONLY
    sheet: Path | None = None
    sheet_frames: Annotated[int, Range(1, 1000)] = 12
    heatmaps: str = "all"
    size: Annotated[int, Range(160, 8192)] = 960
    start_s: Annotated[float, Range(0, 1e7)] = 0.0
    end_s: Annotated[float, Range(0, 1e7)] | None = None
    frame_stride: Annotated[int, Range(1, 1e6)] = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.end_s is not None and self.end_s <= self.start_s:
            raise OptionError(f"expected --end-s after --start-s, got {self.end_s:g} and {self.start_s:g}")
        for name, suffix in (("out", ".mp4"), ("sheet", ".png")):
            path = getattr(self, name)
            if path is not None and path.suffix.lower() != suffix:
                raise OptionError(f"expected --{name} to end in {suffix}, got {path.name}")
