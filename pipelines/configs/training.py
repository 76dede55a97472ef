"""Options of stage two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.configs.checks import require_at_least

__all__ = ["EvaluateConfig", "TrainCommandConfig"]


@dataclass(frozen=True)
class TrainCommandConfig:
    """Stage two: train a classifier a stream on cached features, fuse them, evaluate, report.

    Attributes:
        features: feature store; without it the demo's, which is made if it is not there
        split: split protocol of the store; default its only one, else xsub
        streams: what to train on: pooled = features at the joints, keypoints = x, y, score
        out: run folder; default work_dirs/<store>-<split>
        recipe: paper = as published, small = narrow, a minute on a CPU; auto = small for the tiny backend
        epochs: epochs, 0 = as the recipe says
        batch_size: clips a step, 0 = as the recipe says
        learning_rate: peak learning rate, 0 = as the recipe says
        seed: of weights, batches and augmentation
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
        videos: folder or manifest of the videos, for the pictures of the report; default as extracted
        resume: go on with a run that was interrupted
        overwrite: replace an existing run
        quiet: print problems and results only
    """

    features: Path | None = None
    split: str | None = None
    streams: tuple[Literal["pooled_joint", "keypoints_joint"], ...] = ("pooled_joint", "keypoints_joint")
    out: Path | None = None
    recipe: Literal["auto", "paper", "small"] = "auto"
    epochs: int = 0
    batch_size: int = 0
    learning_rate: float = 0.0
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    videos: Path | None = None
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 0, "threads", "epochs", "batch_size", "learning_rate", "seed")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")
        if not self.streams or len(set(self.streams)) < len(self.streams):
            raise ValueError(f"expected --streams to name one or more streams once, got {self.streams}")


@dataclass(frozen=True)
class EvaluateConfig:
    """Score a trained run on a part of a split, on its own store or another one like it.

    Attributes:
        run: run folder of heatpool train
        features: feature store; default the one it was trained on
        part: part of the split
        out: folder for scores and tables; default <run>/evaluate-<part>
        device: auto, cpu, cuda or cuda:0
        threads: CPU threads, 0 = all cores
    """

    run: Path
    features: Path | None = None
    part: Literal["train", "val", "test"] = "test"
    out: Path | None = None
    device: str = "auto"
    threads: int = 0
