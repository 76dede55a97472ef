"""Options of `heatpool predict`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from heatpool.pipelines.options.fields import OptionError, require_at_least
from heatpool.pipelines.options.shared import DeviceOptions, OutputOptions, WindowOptions

__all__ = ["PredictOptions"]


@dataclass(frozen=True)
class PredictOptions(WindowOptions, DeviceOptions, OutputOptions):
    """Classify the actions in videos with a trained run.

    Extracts features as those that the run was trained on.

    Attributes:
        run: run folder of heatpool train
        videos: video, folder of videos or manifest CSV
        out: file for the predictions, .csv or .json; without it they are printed only
        annotate: folder for annotated videos, one per video: persons, best classes, the current window
        top: classes to name for each clip
        weights: of the pose network, where they do not lie where they lay at extraction
        detector: as for extract; default the one of extraction
        boxes: CSV of the persons in these videos, for --detector boxes-file
        rgb_weights: as for extract; default those of extraction
    """

    run: Path
    videos: Path
    out: Path | None = None
    _: KW_ONLY
    annotate: Path | None = None
    top: int = 3
    weights: str | None = None
    detector: str | None = None
    boxes: Path | None = None
    rgb_weights: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_at_least(self, 1, "top")
        if self.out is not None and self.out.suffix not in (".csv", ".json"):
            raise OptionError(f"expected --out to end in .csv or .json, got {self.out}")
