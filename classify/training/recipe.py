"""The recipe of a training run, and the way in for values from outside: options, files, older builds."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from heatpool.classify.data.streams import STREAMS, StreamName
from heatpool.classify.networks.graph import PUBLISHED_LAYERS
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "DEMO", "HEADS", "ModelName", "Recipe", "TrainDtype", "flat_recipe", "modern_names", "read_recipe",
    "recipe_with",
]  # fmt: skip

ModelName = Literal["ctrgcn", "linear", "mlp", "tcn"]

Schedule = Literal["step", "cosine"]
Optimizer = Literal["sgd", "adamw"]
GraphName = Literal["hpnet", "coco17", "point", "skeleton"]
TrainDtype = Literal["float32", "bfloat16", "float16"]

_AnyRecipe = TypeVar("_AnyRecipe", bound="DataclassInstance")
_OLD_NAMES = {"batch": "batch_size", "lr": "learning_rate"}
"""What older builds called some fields, in checkpoints, states and config.yaml."""


@dataclass(frozen=True)
class Recipe:
    """Recipe of one stream; the defaults are the published recipe of CTR-GCN in HP-Net.

    Attributes:
        stream: made of the input features.
        model: "ctrgcn", or a small head: "linear" (probe), "mlp", "tcn".
        graph: bones and adjacency: "hpnet" and "coco17" of COCO's joints, "point" of none, "skeleton" of
            those that the features have.
        epochs: passes over the training split.
        batch_size: clips whose gradients are computed at a time, over all processes.
        accumulation: batches whose gradients are averaged for a step.
        optimizer: "sgd" (Nesterov momentum) or "adamw".
        learning_rate: at its peak.
        momentum: of SGD.
        weight_decay: as the optimiser understands it.
        schedule: "step" multiplies by `gamma` at each milestone, "cosine" falls to zero.
        warmup_epochs: the rate rises linearly over them.
        milestones: epochs (0-based) of the step schedule.
        gamma: factor of the step schedule.
        label_smoothing: share of the target spread over all classes.
        grad_clip: largest norm of the gradient; 0 for no limit.
        window: time steps that the network sees.
        p_interval: shares of a clip that a random training crop may keep; otherwise the middle 0.95 is
            seen, as CTR-GCN does, or the lower one of these if that is more.
        normalise: subtract each channel's mean of the training split and divide by its deviation.
        noise_std: noise on normalised values in training.
        offset_std: noise that stays the same through a clip, per person, joint and channel.
        scale_jitter: random scaling of each clip by 1 +- this in training.
        width: channels of CTR-GCN's first layers, of the hidden layers of mlp and tcn; a multiple of 4.
        layers: of CTR-GCN: (multiple of the width, stride in time) per layer.
        dropout: before the last layer; of mlp and tcn after each hidden one.
        seed: of weights, order and augmentation.
        dtype: what products and convolutions compute in while training; weights and scores are float32.
        device: "cpu", "cuda" or "cuda:0", as torch knows them.

    Raises:
        HeatpoolError: if a value makes no sense.
    """

    stream: StreamName = "joint"
    model: ModelName = "ctrgcn"
    graph: GraphName = "hpnet"
    epochs: int = 65
    batch_size: int = 64
    accumulation: int = 1
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 4e-4
    schedule: Schedule = "step"
    warmup_epochs: int = 5
    milestones: tuple[int, ...] = (35, 55)
    gamma: float = 0.1
    label_smoothing: float = 0.0
    grad_clip: float = 0.0
    window: int = 64
    p_interval: tuple[float, float] = (0.5, 1.0)
    normalise: bool = True
    noise_std: float = 0.0
    offset_std: float = 0.0
    scale_jitter: float = 0.0
    width: int = 64
    layers: tuple[tuple[int, int], ...] = PUBLISHED_LAYERS
    dropout: float = 0.0
    seed: int = 0
    dtype: TrainDtype = "float32"
    device: str = "cpu"

    @property
    def crop(self) -> dict[str, Any]:
        """How `clip_batch` cuts and changes clips, as its arguments."""
        names = ("window", "p_interval", "noise_std", "offset_std", "scale_jitter")
        return {name: getattr(self, name) for name in names}

    def __post_init__(self) -> None:
        low, high = self.p_interval
        not_negative = {
            "weight_decay": self.weight_decay,
            "warmup_epochs": self.warmup_epochs,
            "grad_clip": self.grad_clip,
            "noise_std": self.noise_std,
            "offset_std": self.offset_std,
            "scale_jitter": self.scale_jitter,
        }
        rules = {
            f"stream must be one of {', '.join(STREAMS)}": self.stream in STREAMS,
            f"model must be one of {', '.join(get_args(ModelName))}": self.model in get_args(ModelName),
            f"graph must be one of {', '.join(get_args(GraphName))}": self.graph in get_args(GraphName),
            "optimizer must be sgd or adamw": self.optimizer in get_args(Optimizer),
            "schedule must be step or cosine": self.schedule in get_args(Schedule),
            "epochs, window and accumulation must be at least 1": min(
                self.epochs, self.window, self.accumulation
            )
            >= 1,
            "window must be at most 10,000": self.window <= 10_000,
            f"dtype must be one of {', '.join(get_args(TrainDtype))}": self.dtype in get_args(TrainDtype),
            "batch_size must be at least 2": self.batch_size >= 2,
            "learning_rate must be a positive number": self.learning_rate > 0
            and math.isfinite(self.learning_rate),
            "momentum and dropout must be in [0, 1)": all(0 <= x < 1 for x in (self.momentum, self.dropout)),
            "label_smoothing must be in [0, 1)": 0 <= self.label_smoothing < 1,
            f"{', '.join(not_negative)} must not be negative": min(not_negative.values()) >= 0,
            "p_interval must be 0 < low <= high <= 1": 0 < low <= high <= 1,
            "width must be a positive multiple of 4": self.width > 0 and self.width % 4 == 0,
            "layers must be pairs (multiple >= 1, stride >= 1)": len(self.layers) > 0
            and all(len(layer) == 2 and min(layer) >= 1 for layer in self.layers),
        }
        broken = [rule for rule, holds in rules.items() if not holds]
        if broken:
            raise HeatpoolError(f"recipe: {'; '.join(broken)}")


DEMO = Recipe(
    epochs=36,
    batch_size=16,
    optimizer="adamw",
    learning_rate=0.02,
    weight_decay=0.05,
    schedule="cosine",
    warmup_epochs=3,
    label_smoothing=0.1,
    window=32,
    p_interval=(0.7, 1.0),
    offset_std=0.5,
    width=16,
    layers=((1, 1), (1, 2), (2, 1), (4, 2)),
    dropout=0.2,
)
"""Preset for some hundred clips on a CPU: a narrow network, regularised against unseen subjects' looks."""

_FAST = Recipe(
    epochs=20,
    batch_size=32,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=0.05,
    schedule="cosine",
    warmup_epochs=1,
    label_smoothing=0.1,
    window=32,
    p_interval=(0.7, 1.0),
)

HEADS: Mapping[ModelName, Recipe] = {
    "linear": replace(_FAST, model="linear"),
    "mlp": replace(_FAST, model="mlp", width=256, dropout=0.5),
    "tcn": replace(_FAST, model="tcn", width=64, dropout=0.3),
}
"""Recipes of the small heads."""


def recipe_with(recipe: _AnyRecipe, overrides: Mapping[str, Any]) -> _AnyRecipe:
    """Change some fields of a recipe by name, those of the recipe inside a recipe (`shared`) too.

    Args:
        recipe: a `Recipe` or another dataclass that holds one.
        overrides: values by field; lists or text such as "30,50" for tuples, numbers also as text. With other
            epochs alone, the milestones of a step schedule move along, and fewer have a shorter warm-up.

    Raises:
        HeatpoolError: if there is no such field, a value has another type, or the recipe makes no sense.
    """
    known = _known_fields(recipe)
    changes = {}
    for name, value in overrides.items():
        if name not in known:
            near = get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
            raise HeatpoolError(f"expected a field of the recipe, got {name!r}; {hint}")
        kind, now = known[name]
        try:
            changes[name] = _fit(value, kind)
        except (TypeError, ValueError):
            choices = get_args(kind) if get_origin(kind) is Literal else ()
            wanted = f"one of {', '.join(choices)}" if choices else f"a value such as {now!r}"
            raise HeatpoolError(f"recipe: expected {name} to be {wanted}, got {value!r}") from None
    for each in fields(recipe):
        part = getattr(recipe, each.name)
        if is_dataclass(part) and not isinstance(part, type):
            inside = {field.name for field in fields(part)} & set(changes)
            changes[each.name] = _change(part, {name: changes.pop(name) for name in inside})
    return _change(recipe, changes)


def _change(recipe: _AnyRecipe, changes: Mapping[str, Any]) -> _AnyRecipe:
    """Return the recipe with some fields changed; those of a step schedule that are not follow the epochs."""
    changed = replace(recipe, **changes)
    if isinstance(recipe, Recipe) and isinstance(changed, Recipe) and changed.schedule == "step":
        share = changed.epochs / recipe.epochs
        moved = {
            "milestones": tuple(round(each * share) for each in recipe.milestones),
            "warmup_epochs": min(recipe.warmup_epochs, math.ceil(recipe.warmup_epochs * share)),
        }
        changed = replace(changed, **{name: changes.get(name, value) for name, value in moved.items()})
    return changed


def flat_recipe(recipe: Any) -> dict[str, Any]:
    """Return all fields by name, those of a recipe inside the recipe among them."""
    return {name: value for name, (_, value) in _known_fields(recipe).items()}


def modern_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe as any build wrote them, under today's names."""
    return {
        _OLD_NAMES.get(name, name): modern_names(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
    }


def read_recipe(base: _AnyRecipe, values: Mapping[str, Any]) -> _AnyRecipe:
    """Return the recipe that `asdict` and JSON or YAML turned into plain values; `base` is of its class.

    Raises:
        HeatpoolError: if a key is unknown or a value makes no sense.
    """
    flat = modern_names(values)
    return recipe_with(base, {**flat.pop("shared", {}), **flat})


def _known_fields(recipe: Any) -> dict[str, tuple[Any, Any]]:
    """Type and value of each field by name."""
    kinds, known = get_type_hints(type(recipe)), dict[str, tuple[Any, Any]]()
    for each in fields(recipe):
        value = getattr(recipe, each.name)
        known |= _known_fields(value) if is_dataclass(value) else {each.name: (kinds[each.name], value)}
    return known


def _fit(value: Any, kind: Any) -> Any:
    """Return a value from outside as one of `kind`; ValueError or TypeError if it is none."""
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        if isinstance(value, str):
            value = json.loads(value if value.lstrip().startswith("[") else f"[{value}]")
        kinds = inner[:1] * len(value) if inner[-1] is ... else inner
        return tuple(_fit(each, of) for each, of in zip(value, kinds, strict=True))
    if kind in (bool, int, float) and isinstance(value, str):
        value = json.loads(value.lower()) if kind is bool else kind(value)
    allowed = {bool: bool, int: int, float: int | float}.get(kind, str)
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise TypeError
    if inner and value not in inner:
        raise ValueError
    return float(value) if kind is float else value
