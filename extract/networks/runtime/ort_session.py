"""onnxruntime behind `Session`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from heatpool.pool.errors import HeatpoolError

__all__ = ["OrtSession", "ort_reason"]

_PLACE = re.compile(r"\S*\.(?:cc|h):\d+ .*?\) (?=\w)")
_HINTS = (
    ("not a registered", "; export it without operators of mmdeploy or of your own"),
    ("IR version", "; install a newer onnxruntime, or export it by an older onnx"),
    ("opset", "; install a newer onnxruntime, or export it for an older opset"),
)


class OrtSession:
    """A network run by onnxruntime; see `Session`.

    Args:
        content: the ONNX file.
        title: of the network, for messages.
        device: cpu or cuda device that runs it.

    Raises:
        HeatpoolError: if onnxruntime is not installed, cannot run the network, or has no provider for the
            device.
    """

    def __init__(self, content: bytes, *, title: str, device: torch.device | str = "cpu") -> None:
        try:
            import onnxruntime  # the extra is optional
        except ImportError as error:
            raise HeatpoolError("ONNX networks need onnxruntime: pip install 'heatpool[onnx]'") from error
        device = torch.device(device)
        provider = "CUDAExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
        if provider not in onnxruntime.get_available_providers():
            raise HeatpoolError(f"expected onnxruntime with {provider} for {device}; install onnxruntime-gpu")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 4  # what goes wrong is raised, and said once
        place = (provider, {"device_id": device.index or 0}) if device.type == "cuda" else provider
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=[place])
        except Exception as error:  # onnxruntime raises plain RuntimeErrors of many classes
            raise HeatpoolError(f"onnxruntime cannot run {title}: {ort_reason(error)}") from error
        (image, *_) = self._session.get_inputs()
        self._input, self._is_single = image.name, image.shape[:1] == [1]
        self.input_kind = image.type
        self.outputs = tuple(
            each.name for each in self._session.get_outputs() if each.type.startswith("tensor")
        )

    def run(
        self, images: np.ndarray, wanted: Sequence[str] | None = None, *, limits: Any = None
    ) -> list[np.ndarray]:
        """Run images (B, 3, H, W); see `Session`. `limits` are onnxruntime's `RunOptions`."""
        names = list(self.outputs if wanted is None else wanted)
        parts = images[:, None] if self._is_single else images[None]
        results = [self._session.run(names, {self._input: part}, limits) for part in parts]
        return [
            np.concatenate(each) if len(each) > 1 else np.asarray(each[0])
            for each in zip(*results, strict=True)
        ]


def ort_reason(error: Exception) -> str:
    """Return what onnxruntime says, without the place in its own source, and what to do."""
    text = _PLACE.sub("", " ".join(str(error).split()))[:300]
    return text + next((hint for sign, hint in _HINTS if sign in text), "")
