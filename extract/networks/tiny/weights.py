"""The shipped weights: safetensors files beside this module, convolutions as float16, the rest float32."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "DETECTOR_FILE",
    "FIGURES_FILE",
    "POSE_FILE",
    "load_tiny_weights",
    "save_weights",
]

POSE_FILE = "pose.safetensors"
DETECTOR_FILE = "detector.safetensors"
FIGURES_FILE = "figures.json"
_FACTS = "heatpool"


def save_weights(module: nn.Module, path: Path, *, facts: Mapping[str, Any]) -> None:
    """Write the state of `module`: kernels (2 axes and more) as float16, vectors as float32.

    `facts` (what it knows, recipe, figures) go into the metadata as one JSON text: several entries would be
    written in random order, and the same weights would not have the same SHA-256.
    """
    state = {
        name: value.detach().to("cpu", torch.float16 if value.ndim > 1 else torch.float32).contiguous()
        for name, value in module.state_dict().items()
        if value.is_floating_point()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path, metadata={_FACTS: json.dumps(facts, sort_keys=True)})


def load_tiny_weights(module: nn.Module, path: Path) -> str:
    """Load a file of `save_weights` into `module` (which stays float32) and return its SHA-256 in hex.

    Raises:
        HeatpoolError: if the file is missing, damaged or made for another network.
    """
    try:
        _, digest = hash_file(path)
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name).float() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise HeatpoolError(f"cannot read weights {path}: {error}; make them again: make weights") from error
    wanted = {name: value.shape for name, value in module.state_dict().items() if value.is_floating_point()}
    found = {name: value.shape for name, value in state.items()}
    if wanted != found:
        odd = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        raise HeatpoolError(
            f"weights {path} are of another network: {len(odd)} tensors differ, first {odd[0]}"
        )
    module.load_state_dict(state, strict=False)  # only batch norm's step counters are absent
    return digest
