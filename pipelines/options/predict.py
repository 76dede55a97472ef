"""Options of `heatpool predict`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from heatpool.pipelines.options.checks import require_at_least

__all__ = ["PredictOptions"]


@dataclass(frozen=True)
class PredictOptions:
    """Say what people do in videos: extract features as those of a trained run, and classify them.

    Attributes:
        run: run folder of heatpool train
        videos: video, folder of videos or manifest CSV
        out: file for the answers, .csv or .json; without it they are printed only
        annotate: folder for annotated videos, one a video: people, best classes, the window under way
        top: classes to name for each clip
        window_s: cut videos into clips of so many seconds and answer for each, 0 = whole videos
        stride_s: seconds from one window to the next; default the window's length
        weights: of the pose network, where they do not lie where they lay at extraction
        detector: as for extract; default the one of extraction
        boxes: CSV of the people in these videos, for --detector boxes-file
        rgb_weights: as for extract; default those of extraction
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
        overwrite: replace an existing file
        quiet: print problems and answers only
    """

    run: Path
    videos: Path
    out: Path | None = None
    annotate: Path | None = None
    top: int = 3
    window_s: float = 0.0
    stride_s: float = 0.0
    weights: str | None = None
    detector: str | None = None
    boxes: Path | None = None
    rgb_weights: str | None = None
    device: str = "auto"
    threads: int = 0
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 1, "top")
        require_at_least(self, 0, "window_s", "stride_s", "threads")
        if self.stride_s and not self.window_s:
            raise ValueError("expected --window-s with --stride-s")
        if self.out is not None and self.out.suffix not in (".csv", ".json"):
            raise ValueError(f"expected --out to end in .csv or .json, got {self.out}")
