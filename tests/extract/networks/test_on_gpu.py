"""Networks on a GPU: every tensor of theirs lies there, and a pretended one gives the CPU's numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.yolo_parity import random_network
from heatpool.extract.engine.estimators import OneStage, PosedPersons, PoseEstimator, TopDown, look_at
from heatpool.extract.networks.detectors import FullFrame, UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.tiny.backbone import TinyBackbone, load_tiny_detector
from heatpool.extract.networks.tiny.network import TinyPose
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame, PoseBackbone
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.pretend_gpu import pretend_gpu
from tests.fixtures.small_weights import NARROW_YOLO, save_vitpose

Build = Callable[[torch.device], PoseEstimator]


def frames() -> list[Frame]:
    rng = np.random.default_rng(0)
    return [Frame(0, at, 0.04 * at, rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)) for at in range(2)]


def answers(estimator: PoseEstimator) -> PosedPersons:
    """Of two persons a frame, if there are so many."""
    looked = look_at(estimator, frames())
    return estimator.pose([(each, at) for each in looked for at in range(min(len(each.detections), 2))])


def hrnet(dtype: torch.dtype = torch.float32, *, runtime: Runtime = "torch", **how: object) -> Build:
    def build(device: torch.device) -> PoseEstimator:
        torch.manual_seed(0)
        with torch.no_grad():
            backbone = HRNetBackbone(narrow(), device=device, dtype=dtype, runtime=runtime)
        return TopDown(FullFrame(), backbone, device=device, **how)  # type: ignore[arg-type]

    return build


def tiny(folder: Path) -> Build:
    def build(device: torch.device) -> PoseEstimator:
        torch.manual_seed(0)
        backbone = TinyBackbone(TinyPose().eval().to(device), weights_sha256="")
        detector = load_tiny_detector()
        found = UltralyticsDetector(detector, image_px=128, min_score=1e-4, device=device)
        return TopDown(found, backbone, device=device)

    return build
