"""Small networks with random weights, saved as their publishers save real ones."""

from __future__ import annotations

from pathlib import Path

import torch

from tests.test_extract.hrnet_cases import narrow
from tests.torchvision_shim import install


def save_yolo_pose(path: Path) -> Path:
    """A YOLO11n pose checkpoint."""
    from ultralytics.nn.tasks import PoseModel

    return _save_yolo(path, PoseModel("yolo11n-pose.yaml", nc=1, verbose=False))


def save_yolo_detector(path: Path) -> Path:
    """A YOLO11n detection checkpoint."""
    from ultralytics.nn.tasks import DetectionModel

    return _save_yolo(path, DetectionModel("yolo11n.yaml", nc=1, verbose=False))


def save_vitpose(folder: Path) -> Path:
    """A ViTPose of two layers, as the hub has it. Needs transformers."""
    install()
    from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation

    backbone = VitPoseBackboneConfig(
        image_size=[64, 48], patch_size=[16, 16], hidden_size=24, num_hidden_layers=2, num_attention_heads=2,
        out_features=["stage2"],
    )  # fmt: skip
    torch.manual_seed(0)
    VitPoseForPoseEstimation(VitPoseConfig(backbone_config=backbone, num_labels=17)).save_pretrained(folder)
    return folder


def save_hrnet(path: Path) -> Path:
    """A narrow HRNet with SimCC heads, as its authors save theirs."""
    torch.save({"state_dict": narrow().state_dict()}, path)
    return path


def _save_yolo(path: Path, model: torch.nn.Module) -> Path:
    torch.manual_seed(0)
    model.names = {0: "person"}
    torch.save({"model": model, "train_args": {}}, path)
    return path
