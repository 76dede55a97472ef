"""Options that several commands share; each class is a group in their help, titled by its first line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from heatpool.pipelines.options.fields import OptionError, check_ranges
from heatpool.pipelines.options.ranges import Range

__all__ = [
    "CacheOptions",
    "DeviceOptions",
    "DisjointOptions",
    "FoldOptions",
    "HPNetRecipeOptions",
    "Options",
    "OutputOptions",
    "PictureOptions",
    "QuietOptions",
    "RecipeOptions",
    "ResumeOptions",
    "SkeletonOptions",
    "WindowOptions",
    "split_words",
]


@dataclass(frozen=True)
class Options:
    """Base of all options classes."""

    def __post_init__(self) -> None:
        """Check what this class defines; raise OptionError. Here: that numbers are in their ranges."""
        check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class QuietOptions(Options):
    """Output.

    Attributes:
        quiet: print problems and results only
    """

    quiet: bool = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions(QuietOptions):
    """Output.

    Attributes:
        overwrite: replace what is there already
    """

    overwrite: bool = False


@dataclass(frozen=True, kw_only=True)
class ResumeOptions(OutputOptions):
    """Output.

    Attributes:
        resume: finish what was interrupted, with the same options
    """

    resume: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.resume and self.overwrite:
            raise OptionError("expected --resume or --overwrite, got both")


@dataclass(frozen=True, kw_only=True)
class DeviceOptions(Options):
    """Speed.

    Attributes:
        device: auto, cpu, cuda, cuda:0 or mps; auto = a GPU by CUDA if there is one, else the CPU
        threads: CPU threads in all, 0 = all cores
    """

    device: str = "auto"
    threads: Annotated[int, Range(0, 1024)] = 0


@dataclass(frozen=True, kw_only=True)
class PictureOptions(Options):
    """Videos that lie as single pictures.

    Attributes:
        fps: pictures per second; with it a folder of pictures, or a pattern of their names such as
            frames/img_%05d.jpg, is a video
    """

    fps: Annotated[float, Range(0, 10_000)] = 0.0


@dataclass(frozen=True, kw_only=True)
class FoldOptions(Options):
    """Cross-validation.

    Attributes:
        folds: divide all labelled clips into so many parts, each of which is the test split of a training of
            its own; 0 = train on the splits there are
        fold_by: what no two folds share: a column (subject, camera, …), video, or clip = nothing but clips;
            default subject where every clip names one, else video
    """

    folds: Annotated[int, Range(2, 1000, or_zero=True)] = 0
    fold_by: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fold_by and not self.folds:
            raise OptionError("expected --folds with --fold-by")


@dataclass(frozen=True, kw_only=True)
class CacheOptions(Options):
    """Cache of decoded features.

    Attributes:
        cache: where they are kept: ram = in memory; disk = in a file that runs share, for what does not fit
            or comes from far; none = nowhere, slow
        cache_dir: folder of the caches on disk; default heatpool in the user's cache folder
        cache_gb: most that this folder may hold; what was not used for longest makes room
    """

    cache: Literal["ram", "disk", "none"] = "ram"
    cache_dir: Path | None = None
    cache_gb: Annotated[float, Range(0, 1e9)] = 100.0


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Options):
    """Time windows.

    Attributes:
        window_s: cut videos into clips of so many seconds, 0 = whole videos
        stride_s: seconds from one window to the next; default the window's length
    """

    window_s: Annotated[float, Range(0.01, 1e6, or_zero=True)] = 0.0
    stride_s: Annotated[float, Range(0.01, 1e6, or_zero=True)] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stride_s and not self.window_s:
            raise OptionError("expected --window-s with --stride-s")


@dataclass(frozen=True, kw_only=True)
class SkeletonOptions(Options):
    """Joints.

    Attributes:
        skeleton: YAML file with names of the joints and pairs that are joined, where nothing else says
            them, or others are meant
    """

    skeleton: Path | None = None


@dataclass(frozen=True, kw_only=True)
class DisjointOptions(Options):
    """Data set.

    Attributes:
        disjoint: columns whose values the splits of a protocol must not share, such as
            my_split=subject,other=camera; added to what manifest or store says
    """

    disjoint: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not all(protocol and column for protocol, column in self.disjoint_columns.items()):
            raise OptionError(
                f"expected --disjoint such as my_split=subject,other=camera, got {self.disjoint!r}"
            )

    @property
    def disjoint_columns(self) -> Mapping[str, str]:
        """Column by protocol."""
        pairs = (word.partition("=") for word in split_words(self.disjoint))
        return {protocol: column for protocol, _, column in pairs}


@dataclass(frozen=True, kw_only=True)
class RecipeOptions(Options):
    """Recipe, as published or as small as the model is unless given.

    Attributes:
        epochs: passes over the training clips
        batch_size: clips at a time, over all processes
        accumulation: batches whose gradients are averaged for a step
        learning_rate: peak learning rate
        optimizer: sgd has Nesterov momentum
        momentum: of sgd
        weight_decay: as the optimizer understands it
        schedule: step = times gamma at each milestone, cosine = falls to zero
        warmup_epochs: the rate rises linearly over them
        milestones: epochs of the step schedule, counted from 0; default moves along with --epochs
        gamma: factor of the step schedule
        label_smoothing: share of the target spread over all classes
        grad_clip: largest norm of the gradient, 0 = no limit
        dtype: what training computes in; bfloat16 and float16 (GPU only) are mixed with float32
        graph: bones and adjacency of ctrgcn: skeleton = of the joints of the features; hpnet, coco17 = two of
            COCO's 17; default hpnet for these, else skeleton
        width: channels of the first layers of ctrgcn, of the hidden layers of mlp and tcn; a multiple of 4
        layers: of ctrgcn: multiple of the width and stride in time of each layer, such as [[1,1],[2,2]]
        dropout: before the last layer; of mlp and tcn after each hidden one
        window: time steps that the network sees
        p_interval: least and largest share of a clip that a random training crop keeps
        normalise: subtract each channel's mean of the training clips and divide by its deviation
        noise_std: noise on normalised values in training
        offset_std: noise that stays the same through a clip, per person, joint and channel
        scale_jitter: random scaling of each clip by 1 +- this in training
    """

    epochs: Annotated[int, Range(1, 100_000)] | None = None
    batch_size: Annotated[int, Range(1, 1e6)] | None = None
    accumulation: Annotated[int, Range(1, 1e6)] | None = None
    learning_rate: Annotated[float, Range(0, 1000)] | None = None
    optimizer: Literal["sgd", "adamw"] | None = None
    momentum: Annotated[float, Range(0, 1)] | None = None
    weight_decay: Annotated[float, Range(0, 1000)] | None = None
    schedule: Literal["step", "cosine"] | None = None
    warmup_epochs: Annotated[int, Range(0, 100_000)] | None = None
    milestones: Annotated[tuple[int, ...], Range(0, 100_000)] | None = None
    gamma: Annotated[float, Range(0, 10)] | None = None
    label_smoothing: Annotated[float, Range(0, 1)] | None = None
    grad_clip: Annotated[float, Range(0, 1e9)] | None = None
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    graph: Literal["hpnet", "coco17", "point", "skeleton"] | None = None
    width: Annotated[int, Range(4, 8192)] | None = None
    layers: Annotated[tuple[tuple[int, int], ...], Range(1, 1024)] | None = None
    dropout: Annotated[float, Range(0, 1)] | None = None
    window: Annotated[int, Range(1, 10_000)] | None = None
    p_interval: Annotated[tuple[float, float], Range(0, 1)] | None = None
    normalise: bool | None = None
    noise_std: Annotated[float, Range(0, 1000)] | None = None
    offset_std: Annotated[float, Range(0, 1000)] | None = None
    scale_jitter: Annotated[float, Range(0, 1)] | None = None

    @property
    def recipe_changes(self) -> dict[str, Any]:
        """What is given, by the names of `classify.training.recipe`."""
        return _given(self, RecipeOptions)


@dataclass(frozen=True, kw_only=True)
class HPNetRecipeOptions(Options):
    """Recipe of hpnet, beside that of its skeleton networks.

    Attributes:
        mit_layers: blocks of the multi-frame integration
        new_rate: learning rate of what X-CLIP adds to CLIP, as a multiple of --learning-rate
        skeleton_rate: of the skeleton networks, likewise
        text_rate: of refined and learned texts and of the stand-in for video, likewise
        betas: of AdamW
        eps: of AdamW
        mixup: parameter of the beta distribution that shares of mixing are drawn from, 0 = none
        cutmix: the same for rectangles of pictures; only with --rgb crops
        cutmix_share: share of the batches that get cutmix in place of mixup, where both are on
        flip: probability that a clip's crops are mirrored
        colour_jitter: probability that their brightness, contrast, saturation and hue change
        grey: probability that they lose their colour
    """

    mit_layers: Annotated[int, Range(0, 64)] | None = None
    new_rate: Annotated[float, Range(0, 1e6)] | None = None
    skeleton_rate: Annotated[float, Range(0, 1e6)] | None = None
    text_rate: Annotated[float, Range(0, 1e6)] | None = None
    betas: Annotated[tuple[float, float], Range(0, 1)] | None = None
    eps: Annotated[float, Range(0, 1)] | None = None
    mixup: Annotated[float, Range(0, 1000)] | None = None
    cutmix: Annotated[float, Range(0, 1000)] | None = None
    cutmix_share: Annotated[float, Range(0, 1)] | None = None
    flip: Annotated[float, Range(0, 1)] | None = None
    colour_jitter: Annotated[float, Range(0, 1)] | None = None
    grey: Annotated[float, Range(0, 1)] | None = None

    @property
    def hpnet_changes(self) -> dict[str, Any]:
        """What is given, by the names of `classify.hpnet.recipe`."""
        return _given(self, HPNetRecipeOptions)


def _given(options: object, group: type[Any]) -> dict[str, Any]:
    values = {name: getattr(options, name) for name in vars(group)["__annotations__"]}
    return {name: value for name, value in values.items() if value is not None}


def split_words(text: str) -> tuple[str, ...]:
    """Split at commas, without empty words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())
