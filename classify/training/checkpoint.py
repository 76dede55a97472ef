"""Trained streams on disk: weights as safetensors, everything else as JSON beside them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from heatpool.classify.data.clips import ChannelStats, ClipSet
from heatpool.classify.networks.ctrgcn import CTRGCN
from heatpool.classify.networks.graph import GRAPHS
from heatpool.classify.networks.heads import StatisticsHead, TemporalHead
from heatpool.classify.training.recipe import TrainConfig
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "TrainedStream",
    "build_model",
    "check_compatible",
    "load_model",
    "read_side",
    "save_model",
    "stats_of",
    "write_atomic",
]

_FORMAT, _VERSION = "heatpool-stream", 1


Network = CTRGCN | StatisticsHead | TemporalHead


@dataclass(frozen=True, eq=False)
class TrainedStream:
    """A network and all that it takes to use it.

    Attributes:
        model: in eval mode.
        config: its recipe.
        stats: channel statistics of its training part; None if it was trained without.
        class_names: in label order.
        channels: C of the input.
        persons: M of the store.
        source: what the training features were made of (`ClipSet.source`).
        epoch: after which the weights were taken, counted from 0.
        metrics: named figures of that epoch.
    """

    model: Network
    config: TrainConfig
    stats: ChannelStats | None
    class_names: tuple[str, ...]
    channels: int
    persons: int
    source: Mapping[str, str]
    epoch: int
    metrics: Mapping[str, float]

    def __repr__(self) -> str:
        return f"TrainedStream({self.config.stream} of {self.source.get('input', '?')}, epoch {self.epoch})"


def build_model(config: TrainConfig, *, channels: int, classes: int, persons: int) -> Network:
    """Make the network of a recipe; its random weights depend on `config.seed` only."""
    graph = GRAPHS[config.graph]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        if config.model == "tcn":
            return TemporalHead(
                channels, classes, joints=graph.joints, width=config.width, dropout=config.dropout
            )
        if config.model != "ctrgcn":
            hidden = config.width if config.model == "mlp" else 0
            return StatisticsHead(
                channels, classes, joints=graph.joints, hidden=hidden, dropout=config.dropout
            )
        return CTRGCN(
            channels,
            classes,
            adjacency=torch.from_numpy(graph.adjacency()),
            persons=persons,
            width=config.width,
            layers=config.layers,
            dropout=config.dropout,
        )


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def save_model(path: Path, trained: TrainedStream) -> None:
    """Write `path` (.safetensors) and its .json side file."""
    weights = {name: tensor.detach().cpu() for name, tensor in trained.model.state_dict().items()}
    side = {
        "format": _FORMAT,
        "version": _VERSION,
        "model": trained.config.model,
        "config": asdict(trained.config),
        "class_names": trained.class_names,
        "channels": trained.channels,
        "persons": trained.persons,
        "source": dict(trained.source),
        "epoch": trained.epoch,
        "metrics": dict(trained.metrics),
        "channel_mean": None if trained.stats is None else trained.stats.mean.tolist(),
        "channel_std": None if trained.stats is None else trained.stats.std.tolist(),
    }
    write_atomic(path, save(weights))
    write_atomic(path.with_suffix(".json"), json.dumps(side, indent=1).encode())


def read_side(path: Path, *, form: str, version: int) -> dict[str, Any]:
    """Read the .json file beside the weights `path`.

    Raises:
        HeatpoolError: if a file is missing, or of another form or version.
        ValueError: if it is not JSON.
    """
    side_path = path.with_suffix(".json")
    for needed in (path, side_path):
        if not needed.is_file():
            raise HeatpoolError(f"no checkpoint: {needed} is missing; train first or name another run")
    side: dict[str, Any] = json.loads(side_path.read_text(encoding="utf-8"))
    if side.get("format") != form or side.get("version") != version:
        got = f"{side.get('format')} {side.get('version')}"
        raise HeatpoolError(f"{side_path}: expected {form} {version}, got {got}")
    return side


def stats_of(side: Mapping[str, Any]) -> ChannelStats | None:
    """Return the channel statistics that a side file holds, None if training had none."""
    if side["channel_mean"] is None:
        return None
    return ChannelStats(mean=torch.tensor(side["channel_mean"]), std=torch.tensor(side["channel_std"]))


def load_model(path: Path) -> TrainedStream:
    """Rebuild a trained stream from its .safetensors and .json files.

    Raises:
        HeatpoolError: if a file is missing, damaged, of another version or does not fit the other.
    """
    try:
        side = read_side(path, form=_FORMAT, version=_VERSION)
        config = _config_from(side["config"])
        model = build_model(
            config, channels=side["channels"], classes=len(side["class_names"]), persons=side["persons"]
        )
        model.load_state_dict(load(path.read_bytes()))
        stats = stats_of(side)
        return TrainedStream(
            model=model.eval(),
            config=config,
            stats=stats,
            class_names=tuple(side["class_names"]),
            channels=side["channels"],
            persons=side["persons"],
            source=side["source"],
            epoch=side["epoch"],
            metrics=side["metrics"],
        )
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise HeatpoolError(f"cannot load the checkpoint {path}: {_one_line(error)}") from error


def check_compatible(trained: TrainedStream, clips: ClipSet) -> None:
    """Refuse clips that a trained stream was not made for.

    Raises:
        HeatpoolError: naming what differs: channels, person slots, classes or their origin.
    """
    expected: dict[str, Any] = {
        "channels": trained.channels, "persons": trained.persons, "classes": trained.class_names,
        **trained.source,
    }  # fmt: skip
    got: dict[str, Any] = {
        "channels": clips.features.shape[-1], "persons": clips.persons, "classes": clips.class_names,
        **clips.source,
    }  # fmt: skip
    differ = [name for name in expected if expected[name] != got.get(name)]
    if differ:
        name = differ[0]
        raise HeatpoolError(
            f"these features do not fit the run: its {name} is {expected[name]!r}, theirs {got.get(name)!r}; "
            "use the store it was trained on, or one extracted with the same backbone and tap"
        )


def _config_from(values: Mapping[str, Any]) -> TrainConfig:
    """Return the configuration that `asdict` and JSON turned into plain lists and numbers."""
    known = {field.name for field in fields(TrainConfig)}
    unknown = set(values) - known
    if unknown:
        raise HeatpoolError(f"the checkpoint's configuration has unknown keys: {sorted(unknown)}")
    plain = dict(values)
    for name in ("milestones", "p_interval"):
        plain[name] = tuple(plain[name])
    plain["layers"] = tuple(tuple(layer) for layer in plain["layers"])
    return TrainConfig(**plain)


def _one_line(error: Exception) -> str:
    """Return an error's text on one line, cut where it becomes a list of tensors."""
    return " ".join(str(error).split())[:200]
