"""What runs the networks, where the user leaves it open or asks for the quickest."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pipelines.options.networks import RuntimeChoice
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["choose_runtime", "own_runtime", "resumed_runtime"]

_log = logging.getLogger(__name__)

_EXPORTING = ("openvino", "onnx", "onnxscript")  # what the extra [openvino] brings


def own_runtime(backend: str) -> Runtime:
    """Return what runs a backend unless something else is asked for; earlier builds knew nothing else."""
    return "onnxruntime" if backend == "onnx" else "torch"


def choose_runtime(options: NetworkOptions, device: str) -> Runtime:
    """Resolve --runtime of options whose other choices are made; see its help.

    Args:
        options: of the command.
        device: kind of device that the networks run on: cpu, cuda or mps.

    Raises:
        HeatpoolError: if what is asked for does not fit the backend.
    """
    asked, own = options.runtime, own_runtime(options.backend)
    if asked in ("torch", "cuda-graphs") and own != "torch":
        raise HeatpoolError(f"expected --runtime onnxruntime or openvino with --backend onnx, got {asked}")
    if options.batchnorm == "published" and asked not in (None, "auto", "torch"):
        raise HeatpoolError(f"expected --runtime torch with --batchnorm published, got {asked}")
    if asked != "auto":
        return asked or own
    fits = device == "cpu" and options.dtype in ("float32", "bfloat16") and options.batchnorm == "eval"
    missing = [name for name in _EXPORTING if find_spec(name) is None]
    runtime: Runtime = "openvino" if fits and not missing else own
    why = "" if fits else " (openvino runs on CPUs, in float32 or bfloat16, with --batchnorm eval)"
    why = f" (not installed: {', '.join(missing)})" if fits and missing else why
    if runtime == "onnxruntime" and options.dtype != "float32":
        raise HeatpoolError(f"expected --dtype float32 with --runtime onnxruntime{why}, got {options.dtype}")
    _log.info(f"--runtime {runtime}{why}")
    return runtime


def resumed_runtime(options: ExtractOptions, store: Path) -> RuntimeChoice | None:
    """Return what made a store that is to be resumed, where nothing is asked for; else what is asked for."""
    if options.runtime not in (None, "auto") or not (options.resume and (store / "zarr.json").is_file()):
        return options.runtime
    try:
        spec = FeatureStore.open(store).spec
    except HeatpoolError:
        return options.runtime  # resuming it says what is wrong, or mends it
    return cast(RuntimeChoice, spec.config.get("runtime", own_runtime(spec.backbone)))
