"""What a weights file is of, found out by loading it as its backend does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from heatpool.extract.networks.hrnet.weights import load_network
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.weights import DETECTOR_FILE, POSE_FILE
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER, known_weights
from heatpool.pipelines.options.networks import Backend
from heatpool.pool.errors import HeatpoolError

__all__ = ["DETECTOR_ONLY", "infer_backend", "load_weights"]

DETECTOR_ONLY = "ultralytics"
"""What `load_weights` calls a checkpoint that finds persons but not their joints."""

_TENSORS = (".pth", ".tar", ".safetensors")


def load_weights(path: Path) -> str:
    """Load a file, or the folder of a hub model, through the loader of its backend.

    Returns:
        The backend, or `DETECTOR_ONLY`.

    Raises:
        HeatpoolError: if it is damaged, or of no backend.
    """
    if path.is_dir():
        VitPose(path)
        return "vitpose"
    if path.parent == SHIPPED_FOLDER:
        loaders: dict[str, Any] = {POSE_FILE: load_tiny_backbone, DETECTOR_FILE: load_tiny_detector}
        loaders[path.name](weights=path)
        return "tiny"
    if path.suffix == ".onnx":
        OnnxBackbone(path, (_last_map(path),))
        return "onnx"
    if path.suffix == ".pt":
        return "yolo-pose" if load_ultralytics(path).joints else DETECTOR_ONLY
    if path.suffix in _TENSORS:
        load_network(path)
        return "hrnet-simcc"
    raise HeatpoolError(
        f"expected weights (.pt, .onnx, {', '.join(_TENSORS)} or a folder of transformers), got {path}"
    )


def infer_backend(weights: str) -> Backend:
    """Return the backend that weights are of.

    Args:
        weights: path, or the name of official weights that are not available locally.

    Raises:
        HeatpoolError: if they are of no pose network, damaged, or not recognised by the name.
    """
    path = Path(weights)
    if path.is_dir():
        return _backend_of_folder(path)
    if path.is_file():
        backend = "onnx" if path.suffix == ".onnx" else load_weights(path)
    else:
        known = known_weights(weights)
        if known is None or known.backend == "tiny":
            raise HeatpoolError(
                f"expected --weights to be a file, a folder or an official name (heatpool weights list), got "
                f"{weights}; name its --backend if it is a model of the Hugging Face hub"
            )
        backend = known.backend
    if backend == DETECTOR_ONLY:
        raise HeatpoolError(
            f"expected --weights of a pose network, {weights} finds persons only: give it as --detector"
        )
    return cast(Backend, backend)


def _backend_of_folder(folder: Path) -> Backend:
    try:
        kind = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise HeatpoolError(f"expected a folder with the config.json of a ViTPose, got {folder}") from error
    if kind != "vitpose":
        raise HeatpoolError(f"expected model_type vitpose in {folder / 'config.json'}, got {kind}")
    return "vitpose"


def _last_map(path: Path) -> str:
    """Return a tensor of an ONNX file that is a feature map: what its last convolution gives.

    Empty where the file cannot be read; what is wrong with it is for the backend to say.
    """
    try:
        import onnx

        nodes = onnx.load_model(path, load_external_data=False).graph.node
    except Exception:  # the extra is missing, or protobuf's DecodeError, which has no stable import path
        return ""
    return next((node.output[0] for node in reversed(nodes) if node.op_type == "Conv"), "")
