"""Options of `heatpool weights import`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import OutputOptions, SkeletonOptions

__all__ = ["WeightsImportOptions"]


@dataclass(frozen=True)
class WeightsImportOptions(OutputOptions, SkeletonOptions):
    """Make a run of weights that their authors trained.

    A CTR-GCN or an HP-Net with the published names of its tensors, for heatpool evaluate and predict.
    Nothing in the file is ever run. What it does not hold comes from a store whose features are as those that
    it was trained on.

    Attributes:
        weights: .pth, .pt or .safetensors file
        features: feature store, archive or address: how features are made, names of the classes, splits
        out: run folder to make; default work_dirs/<name of the file>
        protocol: split protocol that evaluate scores; default the store's only one, else xsub
        class_names: text file with a class name per line in the network's order; default the store's classes
        stream: of CTR-GCN: what it was trained on, such as pooled_bone or keypoints_joint; default
            pooled_joint, of 3 channels keypoints_joint
        window: time steps that it was trained on
        whole_clips: of CTR-GCN: score whole clips, not their middle 95 % as its authors do; HP-Net's score
            whole ones
        text: of HP-Net: CLIP whose tokenizer divides the class names, folder or hub name; the text network
            itself is in the file
    """

    weights: Path
    features: str
    out: Path | None = None
    _: KW_ONLY
    protocol: str | None = None
    class_names: Path | None = None
    stream: str | None = None
    window: Annotated[int, Range(1, 10_000)] = 64
    whole_clips: bool = False
    text: str = "openai/clip-vit-base-patch16"
