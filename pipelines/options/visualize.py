"""Options of `heatpool visualize`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from heatpool.pipelines.options.fields import OptionError, require_at_least
from heatpool.pipelines.options.networks import NetworkOptions
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
    sheet_frames: int = 12
    heatmaps: str = "all"
    size: int = 960
    start_s: float = 0.0
    end_s: float | None = None
    frame_stride: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "sheet_frames", "frame_stride")
        require_at_least(self, 160, "size")
        require_at_least(self, 0, "start_s")
        if self.end_s is not None and self.end_s <= self.start_s:
            raise OptionError(f"expected --end-s after --start-s, got {self.end_s:g} and {self.start_s:g}")
        for name, suffix in (("out", ".mp4"), ("sheet", ".png")):
            path = getattr(self, name)
            if path is not None and path.suffix.lower() != suffix:
                raise OptionError(f"expected --{name} to end in {suffix}, got {path.name}")
