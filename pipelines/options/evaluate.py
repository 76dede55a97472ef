"""Options of `heatpool evaluate`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

from heatpool.pipelines.options.shared import CacheOptions, DeviceOptions, QuietOptions

__all__ = ["EvaluateOptions"]


@dataclass(frozen=True)
class EvaluateOptions(DeviceOptions, QuietOptions, CacheOptions):
    """Score a trained run on train, val or test.

    On its own store or another one like it.

    Attributes:
        run: run folder of heatpool train
        features: feature store, archive or address; default what it was trained on. Classes are matched by
            name: clips of classes that the run does not know are left out and counted
        manifest: CSV whose labels, splits and columns stand in for those of the store, as in train
        protocol: split protocol; default that of the training, or the only one there is. A store without
            any is scored whole
        split: whose clips are scored
        out: folder for scores and tables; default <run>/evaluate-<split>, of imported weights the run itself
    """

    run: Path
    features: str | None = None
    _: KW_ONLY
    manifest: Path | None = None
    protocol: str | None = None
    split: Literal["train", "val", "test"] = "test"
    out: Path | None = None
