"""Networks on a GPU: every tensor of theirs lies there, and a pretended one gives the CPU's numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.yolo_parity import random_network
from heatpool.extract.engine.at_once import look_at, pose_now
from heatpool.extract.engine.estimators import OneStage, PosedPersons, PoseEstimator, TopDown
from heatpool.extract.networks.detectors import FullFrame, UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import HRNetBackbone
from heatpool.extract.networks.tiny.backbone import TinyBackbone, build_tiny_detector
from heatpool.extract.networks.tiny.network import TinyPose
from heatpool.extract.networks.ultralytics import load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Frame
from tests.extract.networks.hrnet.hrnet_cases import narrow
from tests.fixtures.pretend_gpu import pretend_gpu
from tests.fixtures.small_weights import NARROW_YOLO, save_vitpose

Build = Callable[[torch.device], PoseEstimator]
Load = Callable[[Path], Build]  # weights are read on the CPU, then moved


def hrnet(dtype: torch.dtype = torch.float32, *, batchnorm: Any = "eval", **how: Any) -> Load:
    @torch.no_grad()
    def build(device: torch.device) -> PoseEstimator:
        backbone = HRNetBackbone(narrow(), batchnorm=batchnorm, device=device, dtype=dtype)
        return TopDown(FullFrame(), backbone, device=device, **how)

    return lambda folder: build


def tiny(folder: Path) -> Build:
    torch.manual_seed(0)
    pose, persons = TinyPose().eval(), build_tiny_detector().eval()

    def build(device: torch.device) -> PoseEstimator:
        detector = UltralyticsDetector(persons, image_px=128, min_score=1e-4, device=device)
        return TopDown(detector, TinyBackbone(pose.to(device), weights_sha256=""), device=device)

    return build


def vitpose(folder: Path) -> Build:
    source = save_vitpose(folder / "vitpose")
    return lambda device: TopDown(FullFrame(), VitPose(source, device=device), device=device)


def yolo(config: str, dtype: torch.dtype = torch.float32, *, end2end: bool = False) -> Load:
    def load(folder: Path) -> Build:
        path = random_network(config, folder / "pose.pt", raised=-1, end2end=end2end, **NARROW_YOLO)
        loaded = load_ultralytics(path)
        return lambda device: OneStage(
            YoloPose(loaded, image_px=128, taps=("p3", "p4"), device=device, dtype=dtype)
        )

    return load


CASES: dict[str, Load] = {
    "hrnet": hrnet(),
    "hrnet in 16 bits": hrnet(torch.bfloat16, pooling="gaussian"),
    "hrnet as published": hrnet(batchnorm="published", crop_aspect="published"),
    "tiny": tiny,
    "vitpose": vitpose,
    "yolo11": yolo("yolo11n-pose.yaml"),
    "yolo26 in 16 bits": yolo("yolo26n-pose.yaml", torch.bfloat16),
    "yolo26 end to end": yolo("yolo26n-pose.yaml", end2end=True),
}


def answers(estimator: PoseEstimator) -> PosedPersons:
    """Two persons a frame, if there are so many."""
    rng = np.random.default_rng(0)
    frames = [Frame(0, at, 0.04 * at, rng.integers(0, 255, (96, 128, 3), dtype=np.uint8)) for at in range(2)]
    looked = look_at(estimator, frames)
    return pose_now(estimator, [(each, at) for each in looked for at in range(min(len(each.detections), 2))])


def check_alike(found: PosedPersons, wanted: PosedPersons, *, near: float = 0.0) -> None:
    assert len(found.scores) >= 2
    for name in ("joints_xy_px", "scores", "pooled", "map_mean"):
        np.testing.assert_allclose(getattr(found, name), getattr(wanted, name), rtol=near, atol=near)


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("hrnet", "yolo11")])
def test_networks_answer_there_as_here(case: str, tmp_path: Path) -> None:
    build = CASES[case](tmp_path)
    wanted = answers(build(torch.device("cpu")))
    build = CASES[case](tmp_path)
    with pretend_gpu() as gpu:
        found = answers(build(gpu))
    check_alike(found, wanted, near=1e-4 if case == "vitpose" else 0)  # attention goes another way there


@pytest.mark.gpu
@pytest.mark.parametrize("case", [case for case in CASES if "16 bits" not in case])
def test_networks_answer_on_a_gpu(case: str, tmp_path: Path) -> None:
    wanted = answers(CASES[case](tmp_path)(torch.device("cpu")))
    with torch.backends.cudnn.flags(
        allow_tf32=False
    ):  # 10 bits of mantissa, torch's default for convolutions
        found = answers(CASES[case](tmp_path)(torch.device("cuda")))
    check_alike(found, wanted, near=1e-2)
