"""Trained networks on disk: weights as safetensors, everything else as JSON beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from heatpool.classify.data.clips import ChannelStats, ClipSet
from heatpool.classify.training.architecture import Architecture, NetworkShape, Trained
from heatpool.pool.disk.atomic import write_bytes, write_json
from heatpool.pool.disk.json_shape import check_json
from heatpool.pool.disk.limits import bounded_network, parse_json
from heatpool.pool.disk.text_files import parsing
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.skeleton import Skeleton

__all__ = ["check_compatible", "load_checkpoint", "save_checkpoint"]

_VERSION = 1


def save_checkpoint(path: Path, trained: Trained) -> None:
    """Write `path` (.safetensors) and its .json side file."""
    weights = {
        name: tensor.detach().cpu().contiguous() for name, tensor in trained.model.state_dict().items()
    }
    stats = trained.stats
    side = {
        "format": trained.architecture.form,
        "version": _VERSION,
        "config": asdict(trained.recipe),
        "shape": asdict(trained.shape),
        "skeleton": None if trained.architecture.skeleton is None else asdict(trained.architecture.skeleton),
        "class_names": trained.class_names,
        "source": dict(trained.source),
        "epoch": trained.epoch,
        "metrics": dict(trained.metrics),
        "channel_mean": None if stats is None else stats.mean.tolist(),
        "channel_std": None if stats is None else stats.std.tolist(),
    }
    write_bytes(path, save(weights), overwrite=True)
    write_json(path.with_suffix(".json"), side, overwrite=True)


def load_checkpoint(
    path: Path, read: Callable[[Mapping[str, Any], Skeleton | None], Architecture], *, form: str
) -> Trained:
    """Rebuild a trained network from its .safetensors and .json files, those of older builds too.

    Args:
        path: of the weights.
        read: makes the architecture from the recipe's plain values and the skeleton of the features.
        form: that the checkpoint must be of.

    Raises:
        HeatpoolError: if a file is missing, damaged, of another form or version or does not fit the other.
    """
    with parsing(path, "load the checkpoint"):
        side = _read_side(path, form)
        architecture, shape = read(side["config"], _skeleton_of(side)), _shape_of(side)
        with bounded_network(str(path), packed=path.stat().st_size):
            model = architecture.build(shape)
        model.load_state_dict(load(path.read_bytes()))
        stats = None
        if side["channel_mean"] is not None:
            stats = ChannelStats(torch.tensor(side["channel_mean"]), torch.tensor(side["channel_std"]))
        return Trained(
            model=model.eval(),
            architecture=architecture,
            shape=shape,
            stats=stats,
            class_names=tuple(side["class_names"]),
            source={**side["source"], **(side.get("rgb_source") or {})},  # apart in older builds
            epoch=side["epoch"],
            metrics=side["metrics"],
        )


def check_compatible(trained: Trained, clips: ClipSet) -> None:
    """Refuse clips that a trained network was not made for.

    Raises:
        HeatpoolError: naming what differs: channels, person slots, classes or their origin.
    """
    expected: dict[str, Any] = {
        "channels": trained.shape.channels, "persons": trained.shape.persons, "classes": trained.class_names,
        **trained.source,
    }  # fmt: skip
    got: dict[str, Any] = {
        "channels": clips.features.shape[-1], "persons": clips.persons, "classes": clips.class_names,
        **clips.source,
    }  # fmt: skip
    # the network decides which joints there are, --skeleton only what they are called
    called = ("skeleton",) if expected.get("weights_sha256") else ()
    differ = [name for name in expected | got if expected.get(name) != got.get(name) and name not in called]
    if differ:
        name = differ[0]
        raise HeatpoolError(
            f"these features do not fit the run: its {name} is {expected.get(name)!r}, "
            f"theirs {got.get(name)!r}; "
            "use the store it was trained on, or one extracted with the same options"
        )


def _read_side(path: Path, form: str) -> dict[str, Any]:
    """Read the .json file beside the weights `path`."""
    side_path = path.with_suffix(".json")
    for needed in (path, side_path):
        if not needed.is_file():
            raise HeatpoolError(f"no checkpoint: {needed} is missing; train first or name another run")
    side: dict[str, Any] = parse_json(side_path.read_text(encoding="utf-8"))
    if side.get("format") != form or side.get("version") != _VERSION:
        got = f"{side.get('format')} {side.get('version')}"
        raise HeatpoolError(f"{side_path}: expected {form} {_VERSION}, got {got}")
    check_json(side, {"class_names": [str], "config": dict, "source": dict, "metrics": dict})
    return side


def _skeleton_of(side: Mapping[str, Any]) -> Skeleton | None:
    """Joints of the features; older builds knew those of their graphs only."""
    values = side.get("skeleton")
    if values is None:
        return None
    return Skeleton(values["name"], tuple(values["joint_names"]), tuple(map(tuple, values["edges"])))


def _shape_of(side: Mapping[str, Any]) -> NetworkShape:
    """Sizes of the network; older builds wrote those of a stream one by one."""
    if "shape" in side:
        return NetworkShape(**side["shape"])
    return NetworkShape(side["channels"], len(side["class_names"]), side["persons"])
