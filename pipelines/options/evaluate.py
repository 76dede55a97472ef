"""Options of `heatpool evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = ["EvaluateOptions"]


@dataclass(frozen=True)
class EvaluateOptions:
    """Score a trained run on train, val or test, on its own store or another one like it.

    Attributes:
        run: run folder of heatpool train
        features: feature store, archive or address; default what it was trained on
        split: train, val or test
        out: folder for scores and tables; default <run>/evaluate-<part>
        cache: as in train
        cache_dir: as in train
        cache_gb: as in train
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
    """

    run: Path
    features: str | None = None
    split: Literal["train", "val", "test"] = "test"
    out: Path | None = None
    cache: Literal["ram", "disk", "none"] = "ram"
    cache_dir: Path | None = None
    cache_gb: float = 100.0
    device: str = "auto"
    threads: int = 0
