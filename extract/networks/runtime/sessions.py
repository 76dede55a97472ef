"""Sessions of onnxruntime and OpenVINO: an ONNX network in memory, ready for images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch

from heatpool.extract.networks.runtime.openvino_session import OpenVinoSession
from heatpool.extract.networks.runtime.ort_session import OrtSession

__all__ = ["Session", "open_session"]


class Session(Protocol):
    """An ONNX network with one image input.

    Attributes:
        input_kind: what kind of numbers the images are, as onnxruntime says it: tensor(float).
        outputs: names of those that are arrays.
    """

    input_kind: str
    outputs: tuple[str, ...]

    def run(
        self, images: np.ndarray, wanted: Sequence[str] | None = None, *, limits: Any = None
    ) -> list[np.ndarray]:
        """Run images (B, 3, H, W), contiguous and of the input's type; return the outputs asked for, or all.

        `limits` are onnxruntime's `RunOptions`; OpenVINO has none.

        Raises:
            RuntimeError: if it fails, as the library says it.
        """
        ...


def open_session(content: bytes, *, runtime: str, title: str, bfloat16: bool = False) -> Session:
    """Open a session on the CPU, with as many threads as torch has.

    Args:
        content: the ONNX file.
        runtime: onnxruntime or openvino.
        title: of the network, for messages.
        bfloat16: compute in it, which OpenVINO alone can.

    Raises:
        HeatpoolError: if the library is not installed or cannot run the network.
    """
    if runtime == "openvino":
        return OpenVinoSession(content, title=title, bfloat16=bfloat16, threads=torch.get_num_threads())
    return OrtSession(content, title=title)
