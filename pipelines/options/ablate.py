"""Options of `heatpool ablate`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.recipe import RecipeOptions
from heatpool.pipelines.options.shared import (
    CacheOptions,
    DeviceOptions,
    FoldOptions,
    ResumeOptions,
    SkeletonOptions,
)

__all__ = ["AblateOptions"]


@dataclass(frozen=True)
class AblateOptions(DeviceOptions, ResumeOptions, FoldOptions, SkeletonOptions, RecipeOptions, CacheOptions):
    """Measure what pooling at joints is worth, as a table.

    One classifier on each kind of features that a store holds. Rows: pooled features; each of several taps
    alone; the means of the tapped maps (heatpool extract --map-mean); keypoints; embeddings of the pixels
    (--rgb clip or xclip); pooled features with the means as a further joint, and with the keypoints as
    further channels. Same head, recipe and seeds; of each training the epoch that is best on val.

    Attributes:
        features: feature store, archive (.hpz) or address (https://…, s3://…)
        out: folder to write; default work_dirs/<store>-<protocol>-ablation, or -<folds>-folds-ablation
        protocol: split protocol of the store; default its only one, else xsub
        model: head of all rows, with the recipe that heatpool train has for it. Means of maps belong to no
            joint: they are one joint to it
        rows: kinds of features to compare, such as pooled,map_mean,pooled_and_keypoints; the first is what
            the others are compared with (default: all)
        seeds: trainings per row, from --seed on: mean, deviation and interval over them
        seed: of weights, batches and augmentation
        group_by: column, such as subject, whose values are drawn as a whole for the interval of the
            difference from pooled; default the clip, with --folds what no two folds share
        divide_by: figures also on parts of the test clips, in a second table: of each value of a column, such
            as camera, or of groups of classes by a table such as kinds.csv, with class_name and their group
    """

    features: str
    out: Path | None = None
    _: KW_ONLY
    protocol: str | None = None
    model: Literal["mlp", "tcn", "linear", "ctrgcn"] = "mlp"
    rows: tuple[str, ...] = ()
    seeds: Annotated[int, Range(2, 1000)] = 5
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    group_by: str = ""
    divide_by: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds and self.protocol:
            raise OptionError("expected --folds without --protocol: it makes its own splits")
