"""A trained HP-Net on disk: weights as safetensors, everything else as JSON beside them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import nn

from heatpool.classify.data.clips import ChannelStats
from heatpool.classify.hpnet.data import ModalClips
from heatpool.classify.hpnet.frames import FrameEncoder
from heatpool.classify.hpnet.network import SKELETONS, HPNet
from heatpool.classify.hpnet.recipe import HPNetConfig, config_from
from heatpool.classify.hpnet.text import LabelText
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.training.checkpoint import (
    build_model,
    check_compatible,
    read_side,
    stats_of,
    write_atomic,
)
from heatpool.pool.errors import HeatpoolError

__all__ = ["HPNetShape", "TrainedHPNet", "build_hpnet", "check_modalities", "load_hpnet", "save_hpnet"]

_FORMAT, _VERSION = "heatpool-hpnet", 1

_LABEL_STD = 0.4  # of the values of CLIP's text embeddings, about

_PUBLISHED_SCALE = math.log(1 / 0.07)


@dataclass(frozen=True)
class HPNetShape:
    """Sizes that an HP-Net is built for.

    Attributes:
        channels: C of the skeleton features.
        classes: K.
        persons: M of the store.
        width: D of RGB and text embeddings.
        frames: F, 0 without RGB.
        vision: of the image network (`FrameEncoder.describe`), None where pictures are not read.
    """

    channels: int
    classes: int
    persons: int
    width: int
    frames: int
    vision: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class TrainedHPNet:
    """A network and all that it takes to use it.

    Attributes:
        model: in eval mode.
        config: its recipe.
        shape: its sizes.
        stats: channel statistics of its training part; None if it was trained without.
        class_names: in label order.
        source: what the training features were made of (`ClipSet.source`).
        rgb_source: what the RGB was made with (`ModalClips.rgb_source`), None without.
        epoch: after which the weights were taken, counted from 0.
        metrics: named figures of that epoch.
    """

    model: HPNet
    config: HPNetConfig
    shape: HPNetShape
    stats: ChannelStats | None
    class_names: tuple[str, ...]
    source: Mapping[str, str]
    rgb_source: Mapping[str, str | int] | None
    epoch: int
    metrics: Mapping[str, float]

    @property
    def channels(self) -> int:
        """C of the skeleton features."""
        return self.shape.channels

    @property
    def persons(self) -> int:
        """M of the store."""
        return self.shape.persons


def build_hpnet(
    config: HPNetConfig,
    shape: HPNetShape,
    *,
    text: LabelText | None = None,
    encoder: FrameEncoder | None = None,
) -> HPNet:
    """Make the network of a recipe; its random weights depend on the recipe's seed only.

    Args:
        config: the recipe.
        shape: sizes, also of `text` and `encoder`.
        text: embeddings of the class names, for a recipe that has them embedded; without, they begin at
            random values.
        encoder: the image network; by default one with random weights, where the shape has one.

    Raises:
        HeatpoolError: if the image network cannot be built for want of transformers.
    """
    shared = config.shared
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shared.seed)
        if encoder is None and shape.vision is not None:
            encoder = FrameEncoder.from_config(shape.vision, shape.width)
        labels = _LABEL_STD * torch.randn(shape.classes, shape.width)
        if text is not None:
            labels = text.embeddings
        skeletons = {
            name: build_model(
                replace(shared, seed=shared.seed * len(SKELETONS) + number),
                channels=shape.channels,
                classes=shape.classes,
                persons=shape.persons,
            )
            for number, name in enumerate(SKELETONS)
        }
        return HPNet(
            cast(dict[Any, CTRGCN], skeletons),
            labels if config.text else nn.Parameter(labels),
            frames=shape.frames,
            mit_layers=config.mit_layers,
            encoder=encoder,
            logit_scale=_PUBLISHED_SCALE if text is None else text.logit_scale,
        )


def save_hpnet(path: Path, trained: TrainedHPNet) -> None:
    """Write `path` (.safetensors) and its .json side file."""
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in trained.model.state_dict().items()
    }
    side = {
        "format": _FORMAT,
        "version": _VERSION,
        "model": "hpnet",
        "config": asdict(trained.config),
        "shape": asdict(trained.shape),
        "class_names": trained.class_names,
        "source": dict(trained.source),
        "rgb_source": trained.rgb_source and dict(trained.rgb_source),
        "epoch": trained.epoch,
        "metrics": dict(trained.metrics),
        "channel_mean": None if trained.stats is None else trained.stats.mean.tolist(),
        "channel_std": None if trained.stats is None else trained.stats.std.tolist(),
    }
    write_atomic(path, save(weights))
    write_atomic(path.with_suffix(".json"), json.dumps(side, indent=1).encode())


def load_hpnet(path: Path) -> TrainedHPNet:
    """Rebuild a trained HP-Net from its .safetensors and .json files.

    Raises:
        HeatpoolError: if a file is missing, damaged, of another version or does not fit the other.
    """
    try:
        side = read_side(path, form=_FORMAT, version=_VERSION)
        config, shape = config_from(side["config"]), HPNetShape(**side["shape"])
        model = build_hpnet(config, shape)
        model.load_state_dict(load(path.read_bytes()))
        stats = stats_of(side)
        return TrainedHPNet(
            model=model.eval(),
            config=config,
            shape=shape,
            stats=stats,
            class_names=tuple(side["class_names"]),
            source=side["source"],
            rgb_source=side["rgb_source"],
            epoch=side["epoch"],
            metrics=side["metrics"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise HeatpoolError(f"cannot load the checkpoint {path}: {reason}") from error


def check_modalities(trained: TrainedHPNet, clips: ModalClips) -> None:
    """Refuse clips that a trained HP-Net was not made for.

    Raises:
        HeatpoolError: naming what differs: channels, person slots, classes, their origin, or the RGB's.
    """
    check_compatible(cast(Any, trained), clips.clips)
    if trained.rgb_source != clips.rgb_source:
        raise HeatpoolError(
            f"these features do not fit the run: it was trained with RGB {trained.rgb_source}, theirs is "
            f"{clips.rgb_source}; use the store it was trained on, or one extracted with the same --rgb"
        )
