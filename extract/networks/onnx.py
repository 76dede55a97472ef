"""Any top-down pose network in an ONNX file; named inner tensors become the feature maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from heatpool.extract.networks.heatmaps import decode_heatmaps, decode_simcc
from heatpool.extract.records import CropSpec, PoseBatch
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError

try:
    import onnx
    import onnxruntime
except ImportError as error:  # the extra is optional; what needs it says so when it is asked for
    _missing: ImportError | None = error
else:
    _missing = None

__all__ = ["OnnxBackbone"]


class OnnxBackbone:
    """A pose network run by onnxruntime.

    The network must take one image input (B, 3, height, width), RGB, normalised with the ImageNet mean
    and standard deviation, and give either heatmaps (B, V, h, w) or two SimCC vectors (B, V, bins).

    Args:
        path: ONNX file; external data is not followed.
        taps: names of the inner tensors (B, C, H, W) to pool from.
        device: cpu or cuda device that runs the network and receives its results.

    Raises:
        HeatpoolError: if onnxruntime is not installed, the file is no such network, a tap does not
            exist (close names are listed) or the device has no provider.
    """

    name = "onnx"

    def __init__(self, path: Path, taps: Sequence[str], *, device: torch.device | str = "cpu") -> None:
        if _missing is not None:
            raise HeatpoolError("the onnx backend needs onnxruntime and onnx: pip install 'heatpool[onnx]'")
        self._device = torch.device(device)
        try:
            _, self.weights_sha256 = hash_file(path)
            model = onnx.load_model_from_string(path.read_bytes())
        except OSError as error:
            raise HeatpoolError(f"expected an ONNX file, cannot read {path}: {error.strerror}") from error
        except Exception as error:  # protobuf's DecodeError has no stable import path
            raise HeatpoolError(f"expected an ONNX file, cannot parse {path.name}: {error}") from error
        self._taps, self.tap = tuple(taps), "+".join(taps)
        height, width = _free_batch(model, path.name)
        self._outputs = [output.name for output in model.graph.output]
        for tap in taps:
            _expose(model, tap, path.name)
        self._session = _session(model, self._device, path.name)
        self._input = self._session.get_inputs()[0].name
        self.crop = CropSpec(height_px=height, width_px=width)
        # Two crops at once: finds the sizes, and a graph that cannot be batched, before any video is read.
        pose = self.forward(torch.zeros(2, 3, height, width))
        self.joints = pose.scores.shape[1]
        self.tap_channels = tuple(each.shape[1] for each in pose.maps)
        self.channels = sum(self.tap_channels)

    def forward(self, crops: Tensor) -> PoseBatch:
        """Run normalised crops (B, 3, height, width) float32; see `PoseBackbone`."""
        feed = {self._input: np.ascontiguousarray(crops.float().cpu().numpy())}
        try:
            results = self._session.run([*self._outputs, *self._taps], feed)
        except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes
            raise HeatpoolError(f"the ONNX network failed on {len(crops)} crops: {error}") from error
        tensors = [torch.from_numpy(array) for array in results]
        outputs, maps = tensors[: len(self._outputs)], tensors[len(self._outputs) :]
        for tap, each in zip(self._taps, maps, strict=True):
            if each.ndim != 4:
                raise HeatpoolError(f"expected tap {tap} to be (B, C, H, W), got {tuple(each.shape)}")
        height, width = self.crop.height_px, self.crop.width_px
        heatmaps = [output for output in outputs if output.ndim == 4]
        vectors = [output for output in outputs if output.ndim == 3]
        if heatmaps:
            joints, scores = decode_heatmaps(heatmaps[0], width_px=width, height_px=height)
        elif len(vectors) == 2:
            split_ratio = vectors[0].shape[2] / width  # x comes first, as RTMPose and SimCC export it
            joints, scores = decode_simcc(vectors[0], vectors[1], split_ratio=split_ratio)
        else:
            shapes = [tuple(output.shape) for output in outputs]
            raise HeatpoolError(f"expected heatmaps (B,V,h,w) or two SimCC vectors (B,V,n), got {shapes}")
        device = self._device
        heat = heatmaps[0].to(device) if heatmaps else None
        return PoseBatch(joints.to(device), scores.to(device), tuple(each.to(device) for each in maps), heat)


def _free_batch(model: onnx.ModelProto, name: str) -> tuple[int, int]:
    """Give the graph a free batch size; return height and width of its image input."""
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = [dim.dim_value for dim in inputs[0].type.tensor_type.shape.dim] if len(inputs) == 1 else []
    if len(shape) != 4 or shape[1] != 3 or min(shape[2:]) < 1:
        raise HeatpoolError(f"expected one image input (B, 3, height, width) in {name}, got {shape}")
    for value in (inputs[0], *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    del model.graph.value_info[:]  # inner shapes were inferred for the old batch size
    return shape[2], shape[3]


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


def _session(model: onnx.ModelProto, device: torch.device, name: str) -> onnxruntime.InferenceSession:
    provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise HeatpoolError(f"expected onnxruntime with {provider} for {device}; install onnxruntime-gpu")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3
    place = (provider, {"device_id": device.index or 0}) if device.type == "cuda" else provider
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=[place])
    except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes
        raise HeatpoolError(f"onnxruntime cannot run {name}: {error}") from error
