"""Loading ultralytics checkpoints: by path or official name, without free unpickling."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from heatpool.pool.errors import HeatpoolError

__all__ = ["LoadedModel", "load_ultralytics", "lower_precision"]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A network of ultralytics, ready for inference.

    Attributes:
        model: in eval mode, float32, batch norm fused into the convolutions.
        person_class: class number of "person".
        joints: joints a person, 0 for a plain detector.
        weights_sha256: hex digest of the checkpoint file.
    """

    model: nn.Module
    person_class: int
    joints: int
    weights_sha256: str


def load_ultralytics(weights: str | Path) -> LoadedModel:
    """Load a detect or pose checkpoint; an official name such as yolo11n-pose.pt is fetched if it is missing.

    The checkpoint is read by ultralytics' restricted loader, which rebuilds known model classes only.

    Args:
        weights: path, or name of an official checkpoint.

    Raises:
        HeatpoolError: if the file is missing and cannot be fetched, is damaged, holds anything else than
            a known model, or the model knows no person.
    """
    # Imported here: ultralytics takes over a second to import.
    from ultralytics.nn import tasks
    from ultralytics.utils import SETTINGS
    from ultralytics.utils.downloads import GITHUB_ASSETS_NAMES

    places = (Path(weights), Path(SETTINGS["weights_dir"], weights))
    official = Path(weights).name in GITHUB_ASSETS_NAMES or str(weights).startswith(("http://", "https://"))
    if not official and not any(place.exists() for place in places):  # ultralytics would ask GitHub for it
        raise HeatpoolError(
            f"expected an ultralytics checkpoint, cannot load {weights}: there is no such file, and it is "
            "no official name"
        )
    if not getattr(tasks._SafeLoad, "SUPPORTED", False):
        raise HeatpoolError("this torch cannot load ultralytics checkpoints safely; install torch >= 2.6")
    try:
        checkpoint, file = tasks.torch_safe_load(str(weights), safe_only=True)
        digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except Exception as error:  # ultralytics raises many classes for a bad or unreachable file
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected an ultralytics checkpoint, cannot load {weights}: {reason}") from error
    model = checkpoint.get("ema") or checkpoint.get("model")
    if not isinstance(model, tasks.DetectionModel):
        raise HeatpoolError(
            f"expected a detect or pose model in {weights}, got {type(model).__name__}; "
            "classification and segmentation checkpoints do not find people's joints"
        )
    model = model.float().eval()
    model.fuse(verbose=False)
    return LoadedModel(model, _person_class(model, weights), _joints(model), digest)


def lower_precision(model: nn.Module, dtype: torch.dtype) -> None:
    """Let all layers but the head compute in `dtype`, in place.

    The head stays in float32: it adds offsets to positions of up to 640 pixels, for which float16 has
    steps of half a pixel and bfloat16 of four.
    """
    if dtype == torch.float32:
        return
    layers: Any = model.model
    model.to(dtype)
    layers[-1].float()
    layers[-1].register_forward_pre_hook(lambda head, given: ([each.float() for each in given[0]],))


def _person_class(model: Any, weights: str | Path) -> int:
    names = getattr(model, "names", {})
    found = [number for number, name in dict(names).items() if name == "person"]
    if found:
        return int(found[0])
    if len(names) == 1 or _joints(model):
        return 0  # a model of one class, whatever it is called, was trained on what the user wants found
    raise HeatpoolError(f"expected a class 'person' in {weights}, got {', '.join(list(names.values())[:8])}")


def _joints(model: Any) -> int:
    shape = getattr(model, "kpt_shape", None) or getattr(model.model[-1], "kpt_shape", None)
    return int(shape[0]) if shape else 0
