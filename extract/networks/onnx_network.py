"""ONNX files: read with the weights beside them, prepared, and run by onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError, shorten

try:
    import onnx
    import onnxruntime
except ImportError as error:  # the extra is optional; what needs it says so when it is asked for
    _missing: ImportError | None = error
else:
    _missing = None

__all__ = ["OnnxFile", "OnnxNetwork", "read_onnx"]


@dataclass(frozen=True, eq=False)
class OnnxFile:
    """An ONNX file in memory.

    Attributes:
        name: of the file.
        model: with all of its weights.
        metadata: its `metadata_props`.
        sha256: hex digest of the file; with weights in other files, of all their digests one after the other.
    """

    name: str
    model: Any
    metadata: dict[str, str]
    sha256: str


def read_onnx(path: Path) -> OnnxFile:
    """Read an ONNX file and what it refers to, which must lie in its folder.

    Raises:
        HeatpoolError: if onnx or onnxruntime is not installed, or the file is none, or refers to what is not
            there.
    """
    if _missing is not None:
        raise HeatpoolError("ONNX networks need onnxruntime and onnx: pip install 'heatpool[onnx]'")
    try:
        digests = [hash_file(path)[1]]
        model = onnx.load_model_from_string(path.read_bytes())
        digests += [hash_file(each)[1] for each in _external_files(model, path.parent)]
        onnx.load_external_data_for_model(model, str(path.parent))  # checks the ranges
    except OSError as error:
        what = error.filename or path
        raise HeatpoolError(f"expected an ONNX file, cannot read {what}: {error.strerror}") from error
    except HeatpoolError:
        raise
    except Exception as error:  # protobuf's DecodeError has no stable import path, onnx has its own
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"expected an ONNX file, cannot read {path.name}: {reason}") from error
    digest = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return OnnxFile(path.name, model, {prop.key: prop.value for prop in model.metadata_props}, digest)


def _external_files(model: onnx.ModelProto, folder: Path) -> list[Path]:
    """Return the files that hold weights of the model; refuse what is not a file in its folder."""
    places = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    files = [folder / place for place in sorted(places)]
    for file in files:
        outside = not file.resolve().is_relative_to(folder.resolve())
        if outside or (file.exists() and not file.is_file()):
            raise HeatpoolError(
                f"expected the weights of an ONNX file in its folder, got {shorten(str(file))}"
            )
    return files


class OnnxNetwork:
    """An ONNX network with one image input.

    Args:
        file: is changed: taps become outputs, and the batch size is free.
        taps: names of inner tensors that are given beside the outputs.
        open_hw_px: height and width of the input where the file leaves them open; None to refuse such files.
        device: cpu or cuda device that runs it.

    Attributes:
        input_name: of the image.
        input_hw_px: height and width of the input.
        size_is_open: the file leaves them open.
        outputs: names.

    Raises:
        HeatpoolError: if it has no single image input, a tap does not exist (close names are listed), or the
            device has no provider.
    """

    def __init__(
        self,
        file: OnnxFile,
        *,
        taps: Sequence[str] = (),
        open_hw_px: tuple[int, int] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self._name = file.name
        self.input_name, self.input_hw_px, self.size_is_open = _free_batch(file, open_hw_px)
        self.outputs = tuple(output.name for output in file.model.graph.output)
        for tap in taps:
            _expose(file.model, tap, file.name)
        self._wanted = [*self.outputs, *taps]
        self._session = _session(file, torch.device(device))

    def run(self, images: np.ndarray) -> list[np.ndarray]:
        """Run images (B, 3, height, width) float32; return the outputs, then the taps.

        Raises:
            HeatpoolError: if it fails.
        """
        try:
            results = self._session.run(self._wanted, {self.input_name: np.ascontiguousarray(images)})
        except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes
            reason = " ".join(str(error).split())[:300]
            raise HeatpoolError(f"{self._name} failed on {len(images)} images: {reason}") from error
        return [np.asarray(result) for result in results]


def _free_batch(file: OnnxFile, open_hw_px: tuple[int, int] | None) -> tuple[str, tuple[int, int], bool]:
    """Give the graph a free batch size; return the image input's name, its size, and whether that is open."""
    graph = file.model.graph
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    dims = inputs[0].type.tensor_type.shape.dim if len(inputs) == 1 else []
    shape = [dim.dim_value for dim in dims]
    if len(shape) != 4 or shape[1] not in (0, 3):
        told = ", ".join(f"{each.name} {_shape_text(each)}" for each in inputs) or "none"
        raise HeatpoolError(f"expected one image input (B, 3, height, width) in {file.name}, got {told}")
    size_is_open = min(shape[2:]) < 1
    if size_is_open and open_hw_px is None:
        raise HeatpoolError(
            f"expected the size of the input of {file.name}, which leaves it open: say --onnx-size 256,192 "
            "(height, width)"
        )
    for value in (inputs[0], *graph.output):
        if value.type.tensor_type.shape.dim:  # an output may be without a shape
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # inner shapes were inferred for the old batch size
    size = open_hw_px if size_is_open and open_hw_px else (shape[2], shape[3])
    return inputs[0].name, size, size_is_open


def _shape_text(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    return f"({', '.join(str(dim.dim_value or dim.dim_param or '?') for dim in dims)})"


def _expose(model: onnx.ModelProto, tap: str, name: str) -> None:
    """Make the inner tensor `tap` an output of the graph."""
    if tap in {output.name for output in model.graph.output}:
        return
    inner = [tensor for node in model.graph.node for tensor in node.output if tensor]
    if tap not in inner:
        stem = tap.split("_")[0].split("/")[-1]
        close = [tensor for tensor in inner if stem in tensor][-8:] or inner[-8:]
        raise HeatpoolError(
            f"expected --tap to name a tensor of {name}, got {tap!r}; some are: {', '.join(close)}"
        )
    model.graph.output.append(onnx.helper.make_empty_tensor_value_info(tap))


def _session(file: OnnxFile, device: torch.device) -> onnxruntime.InferenceSession:
    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise HeatpoolError(f"expected onnxruntime with {provider} for {device}; install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 4  # what goes wrong is raised, and said once
    place = (provider, {"device_id": device.index or 0}) if device.type == "cuda" else provider
    try:
        return onnxruntime.InferenceSession(file.model.SerializeToString(), options, providers=[place])
    except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes, protobuf over 2 GB
        reason = " ".join(str(error).split())[:300]
        raise HeatpoolError(f"onnxruntime cannot run {file.name}: {reason}") from error
