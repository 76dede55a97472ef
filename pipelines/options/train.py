"""Options of `heatpool train`."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.recipe import HPNetRecipeOptions, RecipeOptions
from heatpool.pipelines.options.shared import (
    CacheOptions,
    DeviceOptions,
    DisjointOptions,
    FoldOptions,
    Options,
    ResumeOptions,
    SkeletonOptions,
)

__all__ = ["DEFAULT_STREAMS", "STREAMS", "TrainOptions"]

DEFAULT_STREAMS = ("pooled_joint", "keypoints_joint")
STREAMS = ("joint", "bone", "joint_motion", "bone_motion")
"""Those of heatpool.classify.data.streams, which needs torch."""
StreamInput = Literal["pooled", "keypoints", "map_mean", "pooled_and_map_mean", "pooled_and_keypoints"]
"""That of heatpool.classify.data.inputs, which needs torch."""
_INPUTS: tuple[str, ...] = get_args(StreamInput)


@dataclass(frozen=True, kw_only=True)
class HPNetOptions(Options):
    """With --model hpnet.

    Attributes:
        rgb: embeddings = frozen, from the store; crops = the store's crops, on which an X-CLIP is trained;
            none; auto = embeddings if the store has them
        rgb_weights: X-CLIP for --rgb crops, folder or hub name; default microsoft/xclip-base-patch16
        text: CLIP or X-CLIP that embeds the class names, folder or hub name; learned = free vectors, from the
            labels alone; default with --rgb crops that of --rgb-weights, else learned
    """

    rgb: Literal["auto", "none", "embeddings", "crops"] = "auto"
    rgb_weights: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class TrainOptions(
    DeviceOptions,
    ResumeOptions,
    DisjointOptions,
    FoldOptions,
    SkeletonOptions,
    RecipeOptions,
    CacheOptions,
    HPNetOptions,
    HPNetRecipeOptions,
):
    """Stage two: train on features, fuse, evaluate, report.

    One classifier per stream, their scores fused with weights fitted on val. For several
    GPUs: torchrun --nproc-per-node 2 --no-python heatpool train …

    Attributes:
        features: feature store, archive (.hpz) or address (https://…, s3://…); without it the demo's,
            which is made if it is not there
        protocol: split protocol of the store or of --manifest; default its only one, else xsub
        manifest: CSV whose labels, splits and columns stand in for those of the store in this run; clips are
            found by clip_id, else by path (and start_s, end_s)
        model: auto = mlp for few train clips (below 100, or 8 a class), else ctrgcn; linear (probe), mlp and
            tcn are small heads, a first number in seconds
        streams: what to train on, with commas between: joint, bone, joint_motion, bone_motion of --input, or
            with the input in front, such as pooled_joint,keypoints_bone; default pooled_joint,keypoints_joint
            (of imported stores, which may hold one of them, that one)
        input: what streams without an input are made of: pooled = features at the joints (default),
            keypoints = x, y, score; of stores with them (heatpool extract --map-mean) map_mean = means of the
            tapped maps, pooled_and_map_mean = these as a further joint; pooled_and_keypoints = more channels
        out: run folder; default work_dirs/<store>-<protocol>
        recipe: of ctrgcn and hpnet: paper = as published, small = narrow, minutes on a CPU; auto = paper for
            2,000 train clips or more on a GPU, else small
        seed: of weights, batches and augmentation
        seeds: train with so many seeds, from --seed on: mean, deviation and interval over them
        videos: folder or manifest of the videos, for pictures in the report; without it there are none
    """

    features: str | None = None
    out: Path | None = None
    _: KW_ONLY
    protocol: str | None = None
    manifest: Path | None = None
    model: Literal["auto", "ctrgcn", "linear", "mlp", "tcn", "hpnet"] = "auto"
    streams: tuple[str, ...] = ()
    input: StreamInput | None = None
    recipe: Literal["auto", "paper", "small"] = "auto"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    seeds: Annotated[int, Range(1, 1000)] = 1
    videos: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.folds and (self.protocol or self.seeds > 1 or self.disjoint):
            raise OptionError(
                "expected --folds without --protocol, --seeds and --disjoint: it makes its own splits"
            )
        of_hpnet = (self.rgb != "auto", self.rgb_weights, self.text, self.hpnet_changes)
        if self.model != "hpnet" and any(of_hpnet):
            names = ", ".join(f"--{name.replace('_', '-')}" for name in self.hpnet_changes)
            raise OptionError(
                f"expected {names or '--rgb, --rgb-weights and --text'} with --model hpnet only"
            )
        if self.model == "hpnet":
            if self.streams or self.input:
                raise OptionError("expected no --streams or --input with --model hpnet: it has its own")
        else:
            self._check_streams()

    def _check_streams(self) -> None:
        names = self.stream_names
        known = {f"{source}_{kind}" for source in _INPUTS for kind in STREAMS}
        if not known.issuperset(names) or len(set(names)) < len(names):
            raise OptionError(
                f"expected --streams of {', '.join(STREAMS)}, each once, without or with an input "
                f"({', '.join(_INPUTS)}) and _ in front, got {', '.join(names)}"
            )
        own = {f"{self.input}_{kind}" for kind in STREAMS}
        other = [name for name in names if self.input and name not in own]
        if other:
            raise OptionError(f"expected streams of --input {self.input}, got {', '.join(other)}")

    @property
    def stream_names(self) -> tuple[str, ...]:
        """The streams by their whole names, `<input>_<stream>`."""
        if not self.streams:
            return (f"{self.input}_joint",) if self.input else DEFAULT_STREAMS
        return tuple(f"{self.input or 'pooled'}_{name}" if name in STREAMS else name for name in self.streams)
