"""The networks that a configuration asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from extract.detectors import BoxesFile, FullFrame, UltralyticsDetector
from extract.hrnet.backbone import load_hrnet_backbone
from extract.manifest import Manifest
from extract.onnx_backend import OnnxBackbone
from extract.posers import OneStage, Poser, TopDown
from extract.records import Detector, FrameBackbone, PoseBackbone
from extract.tiny import load_tiny_backbone, load_tiny_detector
from extract.tiny.backbone import DETECTOR_INPUT_WH
from extract.ultralytics_models import load_ultralytics
from extract.vitpose import VitPose
from extract.yolo_pose import YoloPose
from pipelines.configs import ExtractConfig
from pool.errors import HeatpoolError

__all__ = ["build_backbone", "build_poser", "choose_backends"]

_NO_DETECTOR = "none"
_DETECTOR_INPUT_PX = 640  # what ultralytics' checkpoints are trained at


def choose_backends(config: ExtractConfig, *, demo: bool) -> ExtractConfig:
    """Return the configuration with `auto` of backend and detector resolved.

    The tiny networks know rendered people only, so they are chosen by themselves for the demo set and
    have to be named for anything else.

    Raises:
        HeatpoolError: if a choice is left open for videos that are not the demo set.
    """
    backend, detector = config.backend, config.detector
    if backend == "auto":
        if not demo:
            raise HeatpoolError(
                "expected --backend: for real people yolo-pose, vitpose, hrnet-simcc or onnx with --weights, "
                "such as --backend yolo-pose --weights yolo11n-pose.pt; tiny knows rendered people only"
            )
        backend = "tiny"
    if backend == "yolo-pose":
        if detector not in ("auto", _NO_DETECTOR):
            raise HeatpoolError(
                f"expected no --detector with --backend yolo-pose, which finds people, got {detector}"
            )
        detector = _NO_DETECTOR
    elif detector == "auto":
        if not demo:
            raise HeatpoolError(
                "expected --detector: an ultralytics checkpoint such as yolo11n.pt, boxes-file with --boxes "
                "boxes.csv, or full-frame for clips that are cut out already; --detector tiny knows rendered "
                "people only"
            )
        detector = "tiny"
    return replace(config, backend=backend, detector=detector)


def build_poser(
    config: ExtractConfig, manifest: Manifest, *, device: torch.device
) -> tuple[Poser[Any], PoseBackbone | FrameBackbone]:
    """Load the networks of a configuration whose choices are made.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or weights do not load.
    """
    backbone = build_backbone(config, device=device)
    if isinstance(backbone, YoloPose):
        return OneStage(backbone), backbone
    poser = TopDown(
        _build_detector(config, manifest, device=device),
        backbone,
        device=device,
        min_score=config.min_score,
        min_area_px=config.min_area,
        pooling=config.pooling,
        crop_aspect=config.crop_aspect,
    )
    return poser, backbone


def build_backbone(config: ExtractConfig, *, device: torch.device) -> PoseBackbone | YoloPose:
    """Load the pose network of a configuration whose choices are made.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or the weights do not load.
    """
    backend, weights, tap = config.backend, config.weights, config.tap
    if config.batchnorm != "eval" and backend != "hrnet-simcc":
        raise HeatpoolError(f"expected --batchnorm published with --backend hrnet-simcc only, got {backend}")
    taps = tuple(tap.replace("+", ",").split(",")) if tap else None
    if backend == "yolo-pose":
        if config.pooling != "point" or config.crop_aspect != "model":
            raise HeatpoolError("expected --pooling point and no --crop-aspect with --backend yolo-pose")
        loaded = load_ultralytics(_needed(weights, backend, "yolo11n-pose.pt"))
        return YoloPose(loaded, taps=taps or ("p3",), min_score=config.min_score, device=device)
    if backend == "vitpose":
        source = _needed(weights, backend, "usyd-community/vitpose-base-simple")
        return VitPose(source, taps=taps or ("last",), device=device)
    if backend == "hrnet-simcc":
        path = Path(_needed(weights, backend, "pose_hrnet_w48_256x192_split2_sigma4.pth"))
        return load_hrnet_backbone(path, tap=tap, batchnorm=config.batchnorm, device=device)
    if backend == "onnx":
        if weights is None or tap is None:
            raise HeatpoolError("expected --weights pose.onnx and --tap NAME with --backend onnx")
        return OnnxBackbone(Path(weights), tap, device=device)
    if weights is not None or tap is not None:
        raise HeatpoolError("expected no --weights and no --tap with --backend tiny: it brings its own")
    return load_tiny_backbone(device)


def _needed(weights: str | None, backend: str, example: str) -> str:
    if weights is None:
        raise HeatpoolError(f"expected --weights with --backend {backend}, such as {example}")
    return weights


def _build_detector(config: ExtractConfig, manifest: Manifest, *, device: torch.device) -> Detector:
    if config.detector == "boxes-file":
        if config.boxes is None:
            raise HeatpoolError("expected --boxes boxes.csv with --detector boxes-file")
        return BoxesFile(config.boxes, videos=[clip.path for clip in manifest.clips], root=manifest.root)
    if config.boxes is not None:
        raise HeatpoolError(f"expected --boxes only with --detector boxes-file, got {config.detector}")
    if config.detector == "full-frame":
        return FullFrame()
    if config.detector == "tiny":
        model = load_tiny_detector(device)
        return UltralyticsDetector(
            model, image_px=max(DETECTOR_INPUT_WH), min_score=config.min_score, device=device
        )
    loaded = load_ultralytics(config.detector)
    return UltralyticsDetector(
        loaded.model,
        image_px=_DETECTOR_INPUT_PX,
        person_class=loaded.person_class,
        min_score=config.min_score,
        device=device,
    )
