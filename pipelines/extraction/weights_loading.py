"""What a weights file is of, found out by loading it as its backend does."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from heatpool.extract.networks.foreign_files import name_foreign_file
from heatpool.extract.networks.hrnet.weights import load_network
from heatpool.extract.networks.onnx import check_onnx_pose
from heatpool.extract.networks.onnx_detector import OnnxDetector
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.weights import DETECTOR_FILE, POSE_FILE
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER, known_weights
from heatpool.pipelines.options.networks import Backend
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError

__all__ = ["DETECTOR_ONLY", "infer_backend", "load_weights"]

DETECTOR_ONLY = "ultralytics"
"""What `load_weights` calls a checkpoint that finds persons but not their joints."""

_ONNX_DETECTOR = "onnx, for --detector"

_TENSORS = (".pth", ".tar", ".safetensors")


def load_weights(path: Path) -> str:
    """Load a file, or the folder of a hub model, through the loader of its backend.

    Returns:
        The backend, or what it is for if it finds persons but not their joints.

    Raises:
        HeatpoolError: if it is damaged, or of no backend.
    """
    if path.is_dir():
        backend = _backend_of_folder(path)
        VitPose(path)
        return backend
    if path.parent == SHIPPED_FOLDER:
        loaders: dict[str, Any] = {POSE_FILE: load_tiny_backbone, DETECTOR_FILE: load_tiny_detector}
        loaders[path.name](weights=path)
        return "tiny"
    suffix = path.suffix.lower()
    if suffix == ".onnx":
        return _load_onnx(path)
    if suffix == ".pt":
        return "yolo-pose" if load_ultralytics(path).joints else DETECTOR_ONLY
    if suffix in _TENSORS:
        load_network(path)
        return "hrnet-simcc"
    foreign = name_foreign_file(path, is_zip_foreign=True)
    raise HeatpoolError(
        f"expected weights (.pt, .onnx, {', '.join(_TENSORS)} or a folder of transformers), got {path}"
        + (f", which {foreign}" if foreign else "")
    )


def _load_onnx(path: Path) -> str:
    try:
        check_onnx_pose(path)
    except HeatpoolError:
        try:
            OnnxDetector(path)
        except HeatpoolError:
            pass  # what it is not as a pose network says more
        else:
            return _ONNX_DETECTOR
        raise
    return "onnx"


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
        backend = "onnx" if path.suffix.lower() == ".onnx" else load_weights(path)
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
    onnx_files = sorted(folder.glob("**/*.onnx"))
    if onnx_files and not any(folder.glob("*.safetensors")):
        raise HeatpoolError(f"expected a folder of transformers, got one of ONNX files: give {onnx_files[0]}")
    try:
        kind = parse_json((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError) as error:
        raise HeatpoolError(f"expected a folder with the config.json of a ViTPose, got {folder}") from error
    if kind != "vitpose":
        raise HeatpoolError(f"expected model_type vitpose in {folder / 'config.json'}, got {kind}")
    return "vitpose"
