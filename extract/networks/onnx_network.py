"""ONNX networks with one image input, prepared and run by onnxruntime."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from heatpool.extract.networks.onnx_file import OnnxFile
from heatpool.extract.networks.onnx_taps import find_tap
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import onnx
    import onnxruntime

__all__ = ["OnnxNetwork"]

_PIXELS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""Kinds of numbers that images may enter as, as onnxruntime calls them."""

_MOST_PIXELS = 1 << 24  # of the input, which is allocated as the file says

_PLACE = re.compile(r"\S*\.(?:cc|h):\d+ .*?\) (?=\w)")
_HINTS = (
    ("not a registered", "; export it without operators of mmdeploy or of your own"),
    ("IR version", "; install a newer onnxruntime, or export it by an older onnx"),
    ("opset", "; install a newer onnxruntime, or export it for an older opset"),
)


class OnnxNetwork:
    """An ONNX network with one image input.

    Args:
        file: is changed: taps become outputs, and the batch size is free.
        taps: names of inner tensors that can be asked for beside the outputs.
        open_hw_px: height and width of the input where the file leaves them open; None to refuse such files.
        device: cpu or cuda device that runs it.

    Attributes:
        input_name: of the image.
        input_hw_px: height and width of the input.
        size_is_open: the file leaves them open.
        outputs: names of those that are arrays.

    Raises:
        HeatpoolError: if onnxruntime is not installed, the network has no single image input, a tap does not
            exist (close names are listed), or the device has no provider.
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
        graph = file.model.graph
        image = _image_input(graph, file.name)
        self.input_name, self._batch = image.name, _shape(image)[0]
        self.input_hw_px, self.size_is_open = _size(image, open_hw_px, file.name)
        _free_batch(graph, image)
        outputs = {output.name for output in graph.output}
        self._tensors = {tap: find_tap(graph, tap, file.name) for tap in taps}
        for tensor in sorted({*self._tensors.values()} - outputs):
            graph.output.add().name = tensor
        self._session = _session(file, torch.device(device))
        kind = next(each.type for each in self._session.get_inputs() if each.name == self.input_name)
        if kind not in _PIXELS:
            raise HeatpoolError(
                f"expected {file.name} to take floating point numbers, it takes {kind}: how these are to be "
                "normalised is not told; export it without the part that converts them"
            )
        self._dtype = _PIXELS[kind]
        self.outputs = tuple(
            each.name
            for each in self._session.get_outputs()
            if each.name in outputs and each.type.startswith("tensor")
        )

    def run(self, images: np.ndarray, wanted: Sequence[str]) -> list[np.ndarray]:
        """Run images (B, 3, height, width) float32; return the outputs and taps asked for.

        Floating ones come as float32, others, such as numbers of classes, as they are.

        Raises:
            HeatpoolError: if it fails.
        """
        names = [self._tensors.get(name, name) for name in wanted]
        given = {self.input_name: np.ascontiguousarray(images, self._dtype)}
        try:
            results = [np.asarray(result) for result in self._session.run(names, given)]
        except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes
            of = f" (it is made for {self._batch} at once: export it for one)" if self._batch > 1 else ""
            raise HeatpoolError(
                f"{self._name} failed on {len(images)} images{of}: {_reason(error)}"
            ) from error
        return [each.astype(np.float32) if each.dtype.kind == "f" else each for each in results]


def _image_input(graph: onnx.GraphProto, name: str) -> onnx.ValueInfoProto:
    """Return the only input, which must be images of three channels first."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    shape = _shape(inputs[0]) if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] not in (0, 3) or (not shape[1] and shape[3] == 3):
        last = len(shape) == 4 and shape[3] in (1, 3)
        hint = ": export it with the channels first (tf2onnx: --inputs-as-nchw)" if last else ""
        hint = ": fix all inputs but the image when it is exported" if len(inputs) > 1 else hint
        told = ", ".join(f"{each.name} {_shape_text(each)}" for each in inputs) or "none"
        raise HeatpoolError(f"expected one image input (B, 3, height, width) in {name}, got {told}{hint}")
    image: onnx.ValueInfoProto = inputs[0]
    return image


def _size(
    image: onnx.ValueInfoProto, open_hw_px: tuple[int, int] | None, name: str
) -> tuple[tuple[int, int], bool]:
    """Return height and width of the input, and whether the file leaves them open."""
    height, width = _shape(image)[2:]
    is_open = height <= 0 or width <= 0
    size = open_hw_px if is_open else (height, width)
    if size is None:
        raise HeatpoolError(
            f"expected the size of the input of {name}, which leaves it open: say --onnx-size 256,192 "
            "(height, width)"
        )
    if math.prod(size) > _MOST_PIXELS:
        raise HeatpoolError(
            f"expected an input of at most {_MOST_PIXELS:,} pixels in {name}, got {size[0]} x {size[1]}"
        )
    return size, is_open


def _free_batch(graph: onnx.GraphProto, image: onnx.ValueInfoProto) -> None:
    """Let the network take any number of images, as far as its declarations go."""
    for value in (image, *graph.output):
        if value.type.tensor_type.shape.dim:  # an output may be without a shape
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del graph.value_info[:]  # inner shapes were inferred for the old batch size


def _shape(value: onnx.ValueInfoProto) -> list[int]:
    return [dim.dim_value for dim in value.type.tensor_type.shape.dim]


def _shape_text(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    named = ", ".join(str(dim.dim_value or dim.dim_param or "?") for dim in dims)
    return f"({named})" if named else "without a shape"


def _session(file: OnnxFile, device: torch.device) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime  # the extra is optional
    except ImportError as error:
        raise HeatpoolError("ONNX networks need onnxruntime: pip install 'heatpool[onnx]'") from error
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
        raise HeatpoolError(f"onnxruntime cannot run {file.name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Return what onnxruntime says, without the place in its own source, and what to do."""
    text = _PLACE.sub("", " ".join(str(error).split()))[:300]
    return text + next((hint for sign, hint in _HINTS if sign in text), "")
