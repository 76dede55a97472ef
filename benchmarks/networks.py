"""The networks that stage one's benchmarks run: of real size, with random weights but for tiny."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ultralytics.nn.tasks import DetectionModel, PoseModel

from heatpool.extract.engine.estimators import OneStage, PoseEstimator, TopDown
from heatpool.extract.networks.detectors import UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.letterbox import Letterboxed
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH
from heatpool.extract.networks.ultralytics import LoadedModel
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Detections, FramePersons, PoseBackbone
from heatpool.pool.skeleton import COCO17_SKELETON
from tests.classify.deterministic_weights import fill_
from tests.fixtures.torchvision_shim import install

__all__ = ["BACKENDS", "CPU", "estimator", "fixed_box", "hrnet", "vitpose", "yolo", "yolo_pose"]

BACKENDS = ("tiny", "yolo-pose", "vitpose", "hrnet-simcc")
CPU = torch.device("cpu")
PLACE = (0.3, 0.1, 0.7, 0.95)  # of the one box, as fractions of the frame


def fixed_box(width_px: int, height_px: int) -> np.ndarray:
    """Return (1, 4) float32, the one person of every frame."""
    return np.array([PLACE], np.float32) * np.array([width_px, height_px, width_px, height_px], np.float32)


class FixedBox(UltralyticsDetector):
    """Runs the real detector and then answers with the one box."""

    def detect(self, prepared: Sequence[Letterboxed]) -> list[Detections]:
        """Return the one box of each frame."""
        super().detect(prepared)
        score = np.ones(1, np.float32)
        return [Detections(fixed_box(*place.size_px), score) for _, place in prepared]


class FixedPerson(YoloPose):
    """Runs the real network and then answers with one person, whose joints lie on the diagonal of its box."""

    def estimate(self, prepared: Sequence[Letterboxed]) -> list[FramePersons]:
        """Return the one person of each frame."""
        super().estimate(prepared)
        joints = np.linspace(PLACE[:2], PLACE[2:], self.joints, dtype=np.float32)
        return [
            FramePersons(
                Detections(fixed_box(*place.size_px), np.ones(1, np.float32)),
                (joints * place.size_px)[None].astype(np.float32),
                np.ones((1, self.joints), np.float32),
                np.zeros((1, self.joints, self.channels), np.float32),
                np.zeros((1, self.channels), np.float32),
            )
            for _, place in prepared
        ]


def estimator(
    backend: str,
    *,
    device: torch.device = CPU,
    dtype: torch.dtype = torch.float32,
    runtime: Runtime = "torch",
) -> PoseEstimator:
    """Return a backend as `heatpool extract` builds it."""
    backbone: PoseBackbone
    if backend == "tiny":
        finder = FixedBox(
            load_tiny_detector(device), image_px=max(DETECTOR_INPUT_WH), device=device, runtime=runtime
        )
        return TopDown(finder, load_tiny_backbone(device, runtime=runtime), device=device)
    where: dict[str, Any] = {"device": device, "dtype": dtype, "runtime": runtime}
    if backend == "yolo-pose":
        loaded = LoadedModel(yolo_pose(), (0,), COCO17_SKELETON, 640, "")
        return OneStage(FixedPerson(loaded, **where))
    backbone = vitpose(**where) if backend == "vitpose" else HRNetBackbone(hrnet(48), **where)
    return TopDown(FixedBox(yolo(), image_px=640, **where), backbone, device=device)


def yolo() -> DetectionModel:
    """Return yolo11n, fused."""
    torch.manual_seed(0)
    model = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    model.eval().fuse(verbose=False)
    return model


def yolo_pose() -> PoseModel:
    """Return yolo11n-pose, fused."""
    torch.manual_seed(0)
    model = PoseModel("yolo11n-pose.yaml", nc=1, verbose=False).eval()
    model.fuse(verbose=False)
    return model


def hrnet(channels: int) -> HRNetSimCC:
    """Return HRNet-SimCC with weights made from its tensors' names."""
    network = HRNetSimCC(channels)
    fill_(network)
    return network


def vitpose(
    *, device: torch.device = CPU, dtype: torch.dtype = torch.float32, runtime: Runtime = "torch"
) -> VitPose:
    """Return ViTPose-B."""
    install()  # transformers imports torchvision, which many builds of torch do not come with
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    torch.manual_seed(0)
    # Both take fields of the classes that they derive from, which their signatures do not name.
    layers: dict[str, Any] = {"out_features": ["stage12"]}
    joints: dict[str, Any] = {"num_labels": 17}
    config = VitPoseConfig(backbone_config=VitPoseBackboneConfig(**layers), **joints)
    with tempfile.TemporaryDirectory() as folder:
        VitPoseForPoseEstimation(config).save_pretrained(folder)
        return VitPose(folder, device=device, dtype=dtype, runtime=runtime)
