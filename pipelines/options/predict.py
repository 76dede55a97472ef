"""Options of `heatpool predict`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.networks import GivenOptions
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import DeviceOptions, OutputOptions, PictureOptions, WindowOptions

__all__ = ["PredictOptions"]


@dataclass(frozen=True)
class PredictOptions(WindowOptions, PictureOptions, GivenOptions, DeviceOptions, OutputOptions):
    """Classify actions in videos, features or a stream with a run.

    Extracts features as those that the run was trained on.

    Attributes:
        run: run folder of heatpool train
        videos: videos, folders of videos, manifest CSVs, patterns such as 'takes/*.mp4', http(s) addresses
        out: file for the answer of every clip or window, .csv or .json
        features: feature store or archive to classify in place of videos; nothing is extracted
        follow: stream to classify while it runs: rtsp:// or http(s):// address, camera (/dev/video0), pipe or
            file; needs --window-s; Ctrl-C ends it
        segments: folder for what happens when: segments.csv, timeline.png, and per video an .eaf (ELAN) and
            an .srt (subtitles)
        annotate: folder for annotated videos, one per video: persons, best classes, the current window
        top: classes to name for each clip
        weights: of the pose network, where they do not lie where they lay at extraction
        detector: as for extract; default the one of extraction
        rgb_weights: as for extract; default those of extraction
    """

    run: Path
    videos: tuple[str, ...] = ()
    out: Path | None = None
    _: KW_ONLY
    features: str | None = None
    follow: str | None = None
    segments: Path | None = None
    annotate: Path | None = None
    top: Annotated[int, Range(1, 1e6)] = 3
    weights: str | None = None
    detector: str | None = None
    rgb_weights: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.out is not None and self.out.suffix not in (".csv", ".json"):
            raise OptionError(f"expected --out to end in .csv or .json, got {self.out}")
        asked = [
            name
            for name, value in (
                ("videos", self.videos),
                ("--features", self.features),
                ("--follow", self.follow),
            )
            if value
        ]
        if len(asked) != 1:
            got = " and ".join(asked) or "nothing to classify"
            raise OptionError(f"expected videos, --features or --follow, got {got}")
        if self.follow and not self.window_s:
            raise OptionError("expected --window-s with --follow, such as --window-s 4 --stride-s 2")
        if not self.videos and self.annotate is not None:
            raise OptionError(f"expected --annotate with videos, got {asked[0]}")
        if self.features and self.window_s:
            raise OptionError("expected --window-s with videos or a stream, got --features")
