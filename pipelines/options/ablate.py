"""Options of the ablation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heatpool.pipelines.options.checks import require_at_least

__all__ = ["AblateOptions"]


@dataclass(frozen=True)
class AblateOptions:
    """What pooling at joints is worth: one classifier on each kind of features a store holds, as a table.

    Rows: pooled features; each of several taps alone; the means of the tapped maps (heatpool extract
    --map-mean); keypoints. Same head, recipe and seeds; of each training the epoch that is best on val.

    Attributes:
        features: feature store, archive (.hpz) or address (https://…, s3://…)
        protocol: split protocol of the store; default its only one, else xsub
        model: head of all rows: mlp, tcn, linear (probe) or ctrgcn, with the recipe that heatpool train has
            for it. Means of maps belong to no joint: they are one joint to it
        seeds: trainings a row, from `seed` on: mean, deviation and interval over them
        seed: of weights, batches and augmentation
        group_by: column, such as subject, whose values are drawn as a whole for the interval of the
            difference from pooled; default the clip
        epochs: epochs, 0 = as the recipe says
        batch_size: clips at a time, 0 = as the recipe says
        learning_rate: peak learning rate, 0 = as the recipe says
        out: folder to write; default work_dirs/<store>-<protocol>-ablation
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
        cache: as in train
        cache_dir: as in train
        cache_gb: as in train
        resume: go on with an ablation that was interrupted
        overwrite: replace an existing one
        quiet: print problems and the table only
    """

    features: str
    protocol: str | None = None
    model: Literal["mlp", "tcn", "linear", "ctrgcn"] = "mlp"
    seeds: int = 5
    seed: int = 0
    group_by: str = ""
    epochs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    out: Path | None = None
    device: str = "auto"
    threads: int = 0
    cache: Literal["ram", "disk", "none"] = "ram"
    cache_dir: Path | None = None
    cache_gb: float = 100.0
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 2, "seeds")
        require_at_least(self, 0, "seed", "epochs", "batch_size", "learning_rate", "threads", "cache_gb")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")

    @property
    def recipe_changes(self) -> dict[str, Any]:
        """What the options change in a recipe, by its names."""
        given = {"epochs": self.epochs, "batch": self.batch_size, "lr": self.learning_rate}
        return {name: value for name, value in given.items() if value}
