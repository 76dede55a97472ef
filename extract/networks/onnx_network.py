"""ONNX networks with one image input, prepared and run by onnxruntime or OpenVINO."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from heatpool.extract.networks.onnx_file import OnnxFile
from heatpool.extract.networks.onnx_taps import find_tap
from heatpool.extract.networks.onnx_trial import ended_in_time, may_not_end, try_network
from heatpool.extract.networks.runtime.openvino_session import OpenVinoSession
from heatpool.extract.networks.runtime.ort_session import OrtSession, ort_reason
from heatpool.extract.networks.runtime.sessions import Session
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    import onnx

__all__ = ["FileRuntime", "OnnxNetwork"]

FileRuntime = Literal["onnxruntime", "openvino"]

_PIXELS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}
"""Kinds of numbers that images may enter as, as onnxruntime calls them."""

_MOST_PIXELS = 1 << 24  # of the input, which is allocated as the file says


class OnnxNetwork:
    """An ONNX network with one image input.

    Args:
        file: is changed: taps become outputs, and the batch size is free.
        taps: names of inner tensors that can be asked for beside the outputs.
        open_hw_px: height and width of the input where the file leaves them open; None to refuse such files.
        device: cpu or cuda device that runs it.
        runtime: onnxruntime, or openvino on a CPU.
        bfloat16: compute in it, by OpenVINO; outputs are of the file's types nevertheless.

    Attributes:
        input_name: of the image.
        input_hw_px: height and width of the input.
        size_is_open: the file leaves them open.
        outputs: names of those that are arrays.

    Raises:
        HeatpoolError: if the runtime is not installed, the network has no single image input, a tap does not
            exist (close names are listed), or the device has no provider.
    """

    def __init__(
        self,
        file: OnnxFile,
        *,
        taps: Sequence[str] = (),
        open_hw_px: tuple[int, int] | None = None,
        device: torch.device | str = "cpu",
        runtime: FileRuntime = "onnxruntime",
        bfloat16: bool = False,
    ) -> None:
        self._name, self._bfloat16 = file.name, bfloat16
        graph = file.model.graph
        image = _image_input(graph, file.name)
        self.input_name, self._batch = image.name, _shape(image)[0]
        self.input_hw_px, self.size_is_open = _size(image, open_hw_px, file.name)
        _free_batch(graph, image)
        outputs = {output.name for output in graph.output}
        self._tensors = {tap: find_tap(graph, tap, file.name) for tap in taps}
        for tensor in sorted({*self._tensors.values()} - outputs):
            graph.output.add().name = tensor
        self._repeats = may_not_end(file.model)
        if self._repeats:
            shape = (max(self._batch, 1), 3, *self.input_hw_px)
            try_network(file.model.SerializeToString(), file.name, shape)
        self._session = self._open(file, runtime, torch.device(device))
        kind = self._session.input_kind
        if kind not in _PIXELS:
            raise HeatpoolError(
                f"expected {file.name} to take floating point numbers, it takes {kind}: how these are to be "
                "normalised is not told; export it without the part that converts them"
            )
        self._dtype = _PIXELS[kind]
        self.outputs = tuple(name for name in self._session.outputs if name in outputs)

    def _open(self, file: OnnxFile, runtime: FileRuntime, device: torch.device) -> Session:
        content = _serialised(file)
        if runtime == "onnxruntime":
            if self._bfloat16:
                raise HeatpoolError("expected --dtype float32 with --runtime onnxruntime, got bfloat16")
            return OrtSession(content, title=file.name, device=device)
        if device.type != "cpu":
            raise HeatpoolError(f"expected --runtime onnxruntime with --device {device.type}, got openvino")
        if self._repeats:  # its runs can be watched in onnxruntime alone
            raise HeatpoolError(
                f"expected --runtime onnxruntime for {file.name}, which repeats parts of itself, got openvino"
            )
        shape = (1, 3, *self.input_hw_px)
        return OpenVinoSession(
            content,
            title=file.name,
            bfloat16=self._bfloat16,
            threads=torch.get_num_threads(),
            input_shape=shape,
        )

    def run(self, images: np.ndarray, wanted: Sequence[str]) -> list[np.ndarray]:
        """Run images (B, 3, height, width) float32; return the outputs and taps asked for.

        Floating ones come as float32, others, such as numbers of classes, as they are.

        Raises:
            HeatpoolError: if it fails.
        """
        names = [self._tensors.get(name, name) for name in wanted]
        pixels = np.ascontiguousarray(images, self._dtype)
        try:
            with ended_in_time(len(images)) if self._repeats else nullcontext() as options:
                results = self._session.run(pixels, names, limits=options)
        except Exception as error:  # the runtimes raise plain RuntimeErrors of many classes
            of = f" (it is made for {self._batch} at once: export it for one)" if self._batch > 1 else ""
            raise HeatpoolError(
                f"{self._name} failed on {len(images)} images{of}: {ort_reason(error)}"
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


def _serialised(file: OnnxFile) -> bytes:
    try:
        content: bytes = file.model.SerializeToString()
    except Exception as error:  # protobuf's own, over 2 GB
        raise HeatpoolError(f"onnxruntime cannot run {file.name}: {ort_reason(error)}") from error
    return content
