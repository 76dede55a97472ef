"""OpenVINO behind `Session`."""

from __future__ import annotations

import importlib
import sys
from collections import deque
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from heatpool.pool.errors import HeatpoolError

__all__ = ["OpenVinoSession", "import_openvino"]

_KINDS = {"f32": "float", "f16": "float16", "f64": "double"}
_TELEMETRY = "openvino_telemetry"


class OpenVinoSession:
    """A network run by OpenVINO on the CPU, an image at a time, as many at once as there are threads.

    One thread an image is quicker than all threads on each in turn, and a result does not depend on its
    batch.

    Args:
        content: the ONNX file.
        title: of the network, for messages.
        bfloat16: compute in it; else in float32, which OpenVINO would not choose by itself where there is
            bfloat16.
        threads: that it may take.
        input_shape: of one image, (1, 3, H, W), where the file leaves it open.

    Raises:
        HeatpoolError: if OpenVINO is not installed, cannot run the network, or the processor has no bfloat16.
    """

    def __init__(
        self,
        content: bytes,
        *,
        title: str,
        bfloat16: bool,
        threads: int,
        input_shape: tuple[int, int, int, int] | None = None,
    ) -> None:
        core = _core()
        if bfloat16 and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise HeatpoolError(
                "expected --dtype float32 with --runtime openvino: this processor has no bfloat16"
            )
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if bfloat16 else "f32",
            "NUM_STREAMS": threads,
            "INFERENCE_NUM_THREADS": threads,
        }
        try:
            model = core.read_model(content)
            if input_shape is not None:
                model.reshape(list(input_shape))
            self._network = core.compile_model(model, "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeErrors that begin with places in its source
            raise HeatpoolError(f"OpenVINO cannot run {title}: {_reason(error)}") from error
        self._requests = [self._network.create_infer_request() for _ in range(threads)]
        kind = self._network.input(0).element_type.get_type_name()
        self.input_kind = f"tensor({_KINDS.get(kind, kind)})"  # as onnxruntime says it
        self.outputs = tuple(output.get_any_name() for output in self._network.outputs)

    def run(
        self, images: np.ndarray, wanted: Sequence[str] | None = None, *, limits: Any = None
    ) -> list[np.ndarray]:
        """Run images (B, 3, H, W); see `Session`."""
        ports = [self._network.output(name) for name in (self.outputs if wanted is None else wanted)]
        found: list[list[np.ndarray]] = []
        # Requests are waited for in turn. OpenVINO's own queue calls back into Python from its threads, which
        # ends the process now and then when a network is given up right afterwards.
        running: deque[Any] = deque()
        for at in range(len(images)):
            if len(running) == len(self._requests):
                found.append(_finish(running.popleft(), ports))
            request = self._requests[at % len(self._requests)]
            request.start_async({0: images[at : at + 1]}, share_inputs=True)
            running.append(request)
        found += [_finish(request, ports) for request in running]
        return [np.concatenate(each) for each in zip(*found, strict=True)]


def _finish(request: Any, ports: Sequence[Any]) -> list[np.ndarray]:
    request.wait()
    return [request.get_tensor(port).data.copy() for port in ports]


@cache
def _core() -> Any:
    """Return the one core of this process, which is never given up.

    With the last core and network OpenVINO takes its processor library out of memory; its threads and what it
    left in others then end the process some time later.
    """
    return import_openvino().Core()


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which reports each import to its makers over the network.

    Raises:
        HeatpoolError: if it is not installed.
    """
    blocked = _TELEMETRY not in sys.modules
    if blocked:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment] # an import of it fails: OpenVINO has a stub
    try:
        openvino: Any = importlib.import_module("openvino")
    except ImportError as error:
        raise HeatpoolError(
            f"--runtime openvino needs OpenVINO: pip install 'heatpool[openvino]' ({error})"
        ) from error
    finally:
        if blocked:
            del sys.modules[_TELEMETRY]
    return openvino


def _reason(error: Exception) -> str:
    """Return the last line of what OpenVINO says, which is not a place in its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:300]
