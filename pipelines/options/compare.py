"""Options of `heatpool compare`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import Options

__all__ = ["CompareOptions"]


@dataclass(frozen=True)
class CompareOptions(Options):
    """Compare runs on the same clips.

    The difference of their accuracies and how sure it is; of more than two, each with the first.

    Attributes:
        first: run folder (also of several seeds) or .npz of scores
        second: the same; the difference is the second's accuracy minus the first's
        others: more of the same
        split: whose scores are compared
        stream: of run folders: fused, or one stream such as pooled_joint
        group_by: column whose values are drawn as a whole, such as subject; default the clip. Clips
            of one subject are alike, so intervals by subject are wider and truer
        features: feature store with that column; default the one of the first run
        n_bootstrap: draws of the bootstrap
        seed: of the draws
        out: JSON file for the figures; without it they are printed only
        report: HTML page with all of them side by side: figures, differences, classes, links to their reports
    """

    first: Path
    second: Path
    others: tuple[str, ...] = ()
    _: KW_ONLY
    split: Literal["train", "val", "test"] = "test"
    stream: str = "fused"
    group_by: str = ""
    features: str | None = None
    n_bootstrap: Annotated[int, Range(100, 1e6)] = 10_000
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    out: Path | None = None
    report: Path | None = None

    @property
    def places(self) -> tuple[Path, ...]:
        """All that are compared, the first one first."""
        return (self.first, self.second, *map(Path, self.others))
