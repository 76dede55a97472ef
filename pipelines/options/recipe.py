"""Options of a training recipe, one for each of its keys; each class is a group in the help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from heatpool.pipelines.options.ranges import Range
from heatpool.pipelines.options.shared import Options

__all__ = ["HPNetRecipeOptions", "RecipeOptions"]


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
