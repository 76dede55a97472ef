"""Options of the demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DemoOptions"]


@dataclass(frozen=True)
class DemoOptions:
    """The whole pipeline on the embedded data set: render videos, extract, train, evaluate, report.

    Attributes:
        out: folder for everything the demo makes
        seed: of the data set and of training
        small: a few clips only, to see that everything runs
        overwrite: start anew; without it a demo that was interrupted goes on
    """

    out: Path = Path("demo_out")
    seed: int = 0
    small: bool = False
    overwrite: bool = False
