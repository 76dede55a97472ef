"""The recipe of a training run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from heatpool.classify.data.streams import STREAMS, StreamName
from heatpool.classify.networks.ctrgcn import PUBLISHED_LAYERS
from heatpool.classify.networks.graph import GRAPHS
from heatpool.pool.errors import HeatpoolError

__all__ = ["DEMO", "HEADS", "ModelName", "TrainConfig", "TrainDtype"]

ModelName = Literal["ctrgcn", "linear", "mlp", "tcn"]

Schedule = Literal["step", "cosine"]
Optimizer = Literal["sgd", "adamw"]
GraphName = Literal["hpnet", "coco17", "point"]
TrainDtype = Literal["float32", "bfloat16", "float16"]


@dataclass(frozen=True)
class TrainConfig:
    """Recipe of one stream; the defaults are the published recipe of CTR-GCN in HP-Net.

    Attributes:
        stream: made of the input features.
        model: "ctrgcn", or a small head: "linear" (probe), "mlp", "tcn".
        graph: bones and adjacency.
        epochs: passes over the training part.
        batch: clips whose gradients are computed at a time, over all processes.
        accumulation: batches whose gradients are averaged for a step.
        optimizer: "sgd" (Nesterov momentum) or "adamw".
        lr: peak learning rate.
        momentum: of SGD.
        weight_decay: as the optimiser understands it.
        schedule: "step" multiplies by `gamma` at each milestone, "cosine" falls to zero.
        warmup_epochs: the rate rises linearly over them.
        milestones: epochs (0-based) of the step schedule.
        gamma: factor of the step schedule.
        label_smoothing: share of the target spread over all classes.
        grad_clip: largest norm of the gradient; 0 for no limit.
        window: time steps that the network sees.
        p_interval: shares of a clip that a random training crop may keep.
        normalise: subtract each channel's mean of the training part and divide by its deviation.
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
    batch: int = 64
    accumulation: int = 1
    optimizer: Optimizer = "sgd"
    lr: float = 0.1
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
        """How `clip_batch` cuts and changes training clips, as its arguments."""
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
            f"graph must be one of {', '.join(GRAPHS)}": self.graph in GRAPHS,
            "optimizer must be sgd or adamw": self.optimizer in get_args(Optimizer),
            "schedule must be step or cosine": self.schedule in get_args(Schedule),
            "epochs, window and accumulation must be at least 1": min(
                self.epochs, self.window, self.accumulation
            )
            >= 1,
            f"dtype must be one of {', '.join(get_args(TrainDtype))}": self.dtype in get_args(TrainDtype),
            "batch must be at least 2": self.batch >= 2,
            "lr must be a positive number": self.lr > 0 and math.isfinite(self.lr),
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
            raise HeatpoolError(f"training configuration: {'; '.join(broken)}")


DEMO = TrainConfig(
    epochs=36,
    batch=16,
    optimizer="adamw",
    lr=0.02,
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

_FAST = TrainConfig(
    epochs=20,
    batch=32,
    optimizer="adamw",
    lr=3e-3,
    weight_decay=0.05,
    schedule="cosine",
    warmup_epochs=1,
    label_smoothing=0.1,
    window=32,
    p_interval=(0.7, 1.0),
)

HEADS: Mapping[ModelName, TrainConfig] = {
    "linear": replace(_FAST, model="linear"),
    "mlp": replace(_FAST, model="mlp", width=256, dropout=0.5),
    "tcn": replace(_FAST, model="tcn", width=64, dropout=0.3),
}
"""Recipes of the small heads."""
