"""Options of stage two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from heatpool.pipelines.options.checks import require_at_least

__all__ = ["DEFAULT_STREAMS", "TrainOptions"]

DEFAULT_STREAMS = ("pooled_joint", "keypoints_joint")
_INPUTS = ("pooled", "keypoints")
_STREAMS = (
    "joint",
    "bone",
    "joint_motion",
    "bone_motion",
)  # those of heatpool.classify.data.streams, which needs torch


@dataclass(frozen=True)
class TrainOptions:
    """Stage two: train a classifier a stream on cached features, fuse them, evaluate, report.

    Attributes:
        features: feature store, archive (.hpz) or address (https://…, s3://…); without it the demo's,
            which is made if it is not there
        protocol: split protocol of the store; default its only one, else xsub
        streams: what to train on, with commas between: joint, bone, joint_motion, bone_motion of `input`, or
            with the input in front, such as pooled_joint,keypoints_bone; default pooled_joint,keypoints_joint
        input: what streams without an input are made of: pooled = features at the joints (default),
            keypoints = x, y, score
        model: ctrgcn; linear (probe), mlp or tcn = small heads, a first number in seconds; hpnet
        rgb: of hpnet: embeddings = frozen, from the store; crops = the store's crops, on which an X-CLIP is
            trained; none; auto = embeddings if the store has them
        rgb_weights: X-CLIP for --rgb crops, folder or hub name; default microsoft/xclip-base-patch16
        text: of hpnet: CLIP or X-CLIP that embeds the class names, folder or hub name; learned = free
            vectors, from the labels alone; default with --rgb crops that of --rgb-weights, else learned
        out: run folder; default work_dirs/<store>-<protocol>
        recipe: of ctrgcn and hpnet: paper = as published, small = narrow, minutes on a CPU; auto = small for
            the tiny backend
        epochs: epochs, 0 = as the recipe says
        batch_size: clips at a time, 0 = as the recipe says
        accumulation: batches a step, 0 = as the recipe says
        learning_rate: peak learning rate, 0 = as the recipe says
        seed: of weights, batches and augmentation
        seeds: train with so many seeds, from `seed` on: mean, deviation and interval over them
        dtype: what training computes in; bfloat16 and float16 (GPU only) are mixed with float32
        device: auto, cpu, cuda or cuda:0; several GPUs by torchrun --no-python heatpool train
        threads: CPU threads, 0 = all cores
        cache: where decoded features are kept: ram = in memory; disk = in a file that runs share, for what
            does not fit or comes from far; none = nowhere, slow
        cache_dir: folder of the caches on disk; default heatpool in the user's cache folder
        cache_gb: most that this folder may hold; what was not used for longest makes room
        videos: folder or manifest of the videos, for the pictures of the report; default as extracted
        resume: go on with a run that was interrupted
        overwrite: replace an existing run
        quiet: print problems and results only
    """

    features: str | None = None
    protocol: str | None = None
    streams: tuple[str, ...] | str = ()
    input: Literal["pooled", "keypoints"] | None = None
    model: Literal["ctrgcn", "linear", "mlp", "tcn", "hpnet"] = "ctrgcn"
    rgb: Literal["auto", "none", "embeddings", "crops"] = "auto"
    rgb_weights: str | None = None
    text: str | None = None
    out: Path | None = None
    recipe: Literal["auto", "paper", "small"] = "auto"
    epochs: int = 0
    batch_size: int = 0
    accumulation: int = 0
    learning_rate: float = 0.0
    seed: int = 0
    seeds: int = 1
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    threads: int = 0
    cache: Literal["ram", "disk", "none"] = "ram"
    cache_dir: Path | None = None
    cache_gb: float = 100.0
    videos: Path | None = None
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        require_at_least(self, 0, "threads", "epochs", "batch_size", "accumulation", "learning_rate")
        require_at_least(self, 0, "seed", "cache_gb")
        if self.resume and self.overwrite:
            raise ValueError("expected --resume or --overwrite, got both")
        require_at_least(self, 1, "seeds")
        if self.model != "hpnet" and (self.rgb != "auto" or self.rgb_weights or self.text):
            raise ValueError("expected --rgb, --rgb-weights and --text with --model hpnet only")
        if self.model == "hpnet":
            if self.streams or self.input:
                raise ValueError("expected no --streams or --input with --model hpnet: it has its own")
            return
        names = self.stream_names
        known = {f"{source}_{kind}" for source in _INPUTS for kind in _STREAMS}
        if not known.issuperset(names) or len(set(names)) < len(names):
            raise ValueError(
                f"expected --streams of {', '.join(_STREAMS)}, each once, with pooled_ or keypoints_ in "
                f"front or without, got {', '.join(names)}"
            )
        other = [name for name in names if self.input and not name.startswith(self.input)]
        if other:
            raise ValueError(f"expected streams of --input {self.input}, got {', '.join(other)}")

    @property
    def recipe_changes(self) -> dict[str, Any]:
        """What the options change in a recipe, by its names."""
        given = {
            "epochs": self.epochs,
            "batch": self.batch_size,
            "accumulation": self.accumulation,
            "lr": self.learning_rate,
        }
        return {"dtype": self.dtype, **{name: value for name, value in given.items() if value}}

    @property
    def stream_names(self) -> tuple[str, ...]:
        """The streams by their whole names, `<input>_<stream>`."""
        asked = self.streams.split(",") if isinstance(self.streams, str) else self.streams
        names = [name.strip() for name in asked if name.strip()]
        if not names:
            return (f"{self.input}_joint",) if self.input else DEFAULT_STREAMS
        return tuple(f"{self.input or 'pooled'}_{name}" if name in _STREAMS else name for name in names)
