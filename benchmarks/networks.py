"""The networks that stage one's benchmarks run: of real size, with random weights but for tiny."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence

import numpy as np
import torch
from ultralytics.nn.tasks import DetectionModel

from heatpool.extract.engine.estimators import OneStage, PoseEstimator, TopDown
from heatpool.extract.networks.detectors import UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.hrnet.network import HRNetSimCC
from heatpool.extract.networks.letterbox import Letterboxed
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH
from heatpool.extract.networks.ultralytics import LoadedModel
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Detections, FramePersons, PoseBackbone
from heatpool.pool.skeleton import COCO17_SKELETON
from tests.classify.deterministic_weights import fill_
from tests.fixtures.torchvision_shim import install

__all__ = ["BACKENDS", "CPU", "estimator", "fixed_box", "hrnet", "yolo", "yolo_pose"]

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
    backend: str, *, device: torch.device = CPU, dtype: torch.dtype = torch.float32
) -> PoseEstimator:
    """Return a backend as `heatpool extract` builds it."""
    if backend == "yolo-pose":
        return OneStage(yolo_pose(device=device, dtype=dtype))
    backbone: PoseBackbone
    if backend == "tiny":
        backbone = load_tiny_backbone(device)
    elif backend == "vitpose":
        backbone = _vitpose(device=device, dtype=dtype)
    else:
        backbone = HRNetBackbone(hrnet(48), device=device, dtype=dtype)
    return TopDown(_finder(backend, device=device, dtype=dtype), backbone, device=device)


def _finder(backend: str, *, device: torch.device = CPU, dtype: torch.dtype = torch.float32) -> FixedBox:
    """Return tiny's own detector, or yolo11n at 640 pixels."""
    if backend == "tiny":
        return FixedBox(load_tiny_detector(device), image_px=max(DETECTOR_INPUT_WH), device=device)
    return FixedBox(yolo(), image_px=640, device=device, dtype=dtype)


def yolo() -> DetectionModel:
    """Return yolo11n, fused."""
    torch.manual_seed(0)
    model = DetectionModel("yolo11n.yaml", nc=80, verbose=False)
    model.eval().fuse(verbose=False)
    return model


def yolo_pose(*, device: torch.device = CPU, dtype: torch.dtype = torch.float32) -> FixedPerson:
    """Return yolo26s-pose at 640 pixels, fused."""
    from ultralytics.nn.tasks import PoseModel

    torch.manual_seed(0)
    model = PoseModel("yolo26s-pose.yaml", verbose=False).eval()
    model.fuse(verbose=False)
    return FixedPerson(LoadedModel(model, (0,), COCO17_SKELETON, 640, ""), device=device, dtype=dtype)


def hrnet(channels: int) -> HRNetSimCC:
    """Return HRNet-SimCC with weights made from its tensors' names."""
    network = HRNetSimCC(channels)
    fill_(network)
    return network


def _vitpose(*, device: torch.device = CPU, dtype: torch.dtype = torch.float32) -> VitPose:
    """Return ViTPose-B."""
    install()  # transformers imports torchvision, which many builds of torch do not come with
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    torch.manual_seed(0)
    config = VitPoseConfig(backbone_config=VitPoseBackboneConfig(out_features=["stage12"]), num_labels=17)
    with tempfile.TemporaryDirectory() as folder:
        VitPoseForPoseEstimation(config).save_pretrained(folder)
        return VitPose(folder, device=device, dtype=dtype)
