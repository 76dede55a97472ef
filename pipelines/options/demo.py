"""Options of `heatpool demo`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import QuietOptions

__all__ = ["DemoOptions"]


@dataclass(frozen=True)
class DemoOptions(QuietOptions):
    """Run the whole pipeline on the embedded data set.

    Renders videos, extracts features, trains, evaluates and writes a report; extracts a real clip, too.

    Attributes:
        out: folder for everything the demo makes
        classes: motion = 12 classes of what a body does; objects = 7 that differ by what is held or touched
            and hardly by pose, beside 7 that differ by motion. With map means, for heatpool ablate
        seed: of the data set and of training
        fetch: fetch a real clip and weights for real people, for a contact sheet in the report;
            --no-fetch = never
        small: a few clips only, to see that everything runs
        overwrite: start anew; without it a demo that was interrupted goes on
    """

    out: Path = Path("demo_out")
    _: KW_ONLY
    classes: Literal["motion", "objects"] = "motion"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    fetch: bool = True
    small: bool = False
    overwrite: bool = False
