"""What a user may run in heatpool's place, and heatpool itself: each takes a video and reads its frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.networks import CPU, fixed_box, hrnet
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import PoseEstimator
from heatpool.extract.networks.hrnet.batchnorm import fold_batchnorm
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Detections, Frame
from heatpool.pipelines.extraction.backends import build_backbone, build_estimator, build_top_down
from heatpool.pipelines.extraction.choose import usual_frame_batch
from heatpool.pipelines.options import NetworkOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.records import Status
from heatpool.pool.resample import ResamplePlan
from tests.fixtures.torchvision_shim import install

__all__ = ["HRNET", "OURS", "SIDES", "YOLO", "Run", "Side", "export_hrnet", "missing_packages"]

TAP = "map"
"""Name of the map that heatpool pools from, inside the ONNX file."""

Run = Callable[[Path], int]
"""A video in; how many of its frames were read."""


@dataclass(frozen=True)
class Side:
    """A program and how it is used.

    Attributes:
        network: kind of the weights that it takes: yolo11n-pose, or HRNet-W32 SimCC as ONNX.
        program: in the table.
        packages: without which it is left out.
        load: loads the weights.
    """

    network: str
    program: str
    packages: tuple[str, ...]
    load: Callable[[Path], Run]


def _ultralytics(weights: Path, *, method: str) -> Run:
    """As its documentation streams a video; threads as ours, where it would take one fewer than there are."""
    install()  # ultralytics' predictor imports torchvision, which many builds of torch do not come with
    from ultralytics.models import YOLO

    model: Any = YOLO(weights)

    def run(video: Path) -> int:
        joints = []
        for result in getattr(model, method)(str(video), stream=True, verbose=False):
            torch.set_num_threads(available_cores())  # it sets them itself as it takes the first frame
            joints.append(result.keypoints.data)
        return len(joints)

    return run


def _rtmlib(weights: Path, *, backend: str) -> Run:
    """As its documentation poses a video, with the one box in place of a detector."""
    from rtmlib import RTMPose

    network = RTMPose(str(weights), model_input_size=(192, 256), backend=backend)

    def run(video: Path) -> int:
        capture = cv2.VideoCapture(str(video))
        joints: list[Any] = []
        while True:
            read, bgr = capture.read()
            if not read:
                return len(joints)
            joints.append(network(bgr, bboxes=fixed_box(bgr.shape[1], bgr.shape[0])))

    return run


class _OneBox:
    """A detector without a network: the one box of every frame."""

    def prepare(self, frame: Frame) -> tuple[int, int]:
        """Return the frame's width and height."""
        return frame.rgb.shape[1], frame.rgb.shape[0]

    def detect(self, prepared: Sequence[tuple[int, int]]) -> list[Detections]:
        """Return the one box of each frame."""
        return [Detections(fixed_box(*size), np.ones(1, np.float32)) for size in prepared]


def _heatpool(weights: Path, **options: Any) -> Run:
    """As `heatpool extract` builds its networks, to the pooled features of the clip."""
    keep_heap()
    asked = NetworkOptions(weights=str(weights), **options)
    if asked.backend == "onnx":
        backbone = build_backbone(asked, device=CPU)
        assert not isinstance(backbone, YoloPose)
        estimator: PoseEstimator = build_top_down(asked, _OneBox(), backbone, device=CPU)
    else:
        estimator, _ = build_estimator(asked, None, device=CPU)
    engine = EngineOptions(frame_batch=usual_frame_batch(asked.backend, CPU.type))

    def run(video: Path) -> int:
        result = extract_clips([ClipJob(0, video)], engine, estimator=estimator)[0].result
        if result.status == Status.FAILED:
            raise RuntimeError(f"{video}: {result.reason}")
        return len(ResamplePlan.linear(result.frames, engine.steps).frames)

    return run


def _yolo(**options: Any) -> Callable[[Path], Run]:
    return partial(_heatpool, backend="yolo-pose", **options)


def _onnx(**options: Any) -> Callable[[Path], Run]:
    return partial(_heatpool, backend="onnx", tap=TAP, **options)


YOLO, HRNET = "yolo11n-pose", "HRNet-W32"
OURS = "heatpool"
"""What every other row of the same network and clip is compared with."""

_OPENVINO = ("openvino", "onnxscript")

SIDES = (
    Side(YOLO, OURS, (), _yolo(dtype="float32")),
    Side(YOLO, "heatpool --dtype bfloat16", (), _yolo(dtype="bfloat16")),
    Side(YOLO, "heatpool --runtime openvino", _OPENVINO, _yolo(dtype="float32", runtime="openvino")),
    Side(
        YOLO,
        "heatpool --runtime openvino --dtype bfloat16",
        _OPENVINO,
        _yolo(dtype="bfloat16", runtime="openvino"),
    ),
    Side(YOLO, "ultralytics predict", (), partial(_ultralytics, method="predict")),
    Side(YOLO, "ultralytics track", (), partial(_ultralytics, method="track")),
    Side(HRNET, OURS, ("onnxruntime",), _onnx(dtype="float32")),
    Side(HRNET, "heatpool --runtime openvino", ("openvino",), _onnx(dtype="float32", runtime="openvino")),
    Side(
        HRNET,
        "heatpool --runtime openvino --dtype bfloat16",
        ("openvino",),
        _onnx(dtype="bfloat16", runtime="openvino"),
    ),
    Side(HRNET, "rtmlib", ("onnxruntime", "rtmlib"), partial(_rtmlib, backend="onnxruntime")),
    Side(HRNET, "rtmlib, openvino", ("openvino", "rtmlib"), partial(_rtmlib, backend="openvino")),
)


def missing_packages(side: Side) -> list[str]:
    """Return the packages that a side lacks."""
    return [name for name in side.packages if find_spec(name) is None]


class _Exported(nn.Module):
    """HRNet-SimCC with its outputs as RTMPose has them, and the tapped map."""

    def __init__(self, channels: int, tap: str) -> None:
        super().__init__()
        self.network, self._tap = hrnet(channels), tap
        fold_batchnorm(self.network)
        self.eval()

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        output = self.network(crops, (self._tap,))
        assert output.vectors is not None
        return *output.vectors, output.maps[self._tap]


def export_hrnet(path: Path, channels: int = 32) -> Path:
    """Write HRNet-SimCC, its weights made from its tensors' names, as rtmlib reads RTMPose: two outputs."""
    import onnx

    program = torch.onnx.export(
        _Exported(channels, "stage4_branch1"),
        (torch.zeros(2, 3, 256, 192),),
        dynamo=True,
        input_names=["input"],
        output_names=["simcc_x", "simcc_y", TAP],
        dynamic_shapes=({0: torch.export.Dim("crops")},),
        verbose=False,
    )
    assert program is not None
    model = program.model_proto
    del model.graph.output[2]  # the map stays as an inner tensor, where `--tap` finds it
    onnx.save(model, path)
    return path
