"""The pose network and the detector that a configuration asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from extract.detectors import BoxesFile, FullFrame, UltralyticsDetector
from extract.hrnet.backbone import BatchNorm, load_hrnet_backbone
from extract.manifest import Manifest
from extract.onnx_backend import OnnxBackbone
from extract.records import Detector, PoseBackbone
from extract.tiny import load_tiny_backbone, load_tiny_detector
from extract.tiny.backbone import DETECTOR_INPUT_WH
from pipelines.configs import ExtractConfig
from pool.errors import HeatpoolError

__all__ = ["build_backbone", "build_detector", "choose_backends"]


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
                "expected --backend: for real people give --backend onnx --weights pose.onnx --tap NAME "
                "(any top-down heatmap or SimCC network); --backend tiny knows rendered people only"
            )
        backend = "tiny"
    if detector == "auto":
        if not demo:
            raise HeatpoolError(
                "expected --detector: boxes-file with --boxes boxes.csv, or full-frame for clips that are "
                "cut out already; --detector tiny knows rendered people only"
            )
        detector = "tiny"
    return replace(config, backend=backend, detector=detector)


def build_backbone(
    backend: str,
    *,
    weights: Path | None,
    tap: str | None,
    device: torch.device | str,
    batchnorm: BatchNorm = "eval",
) -> PoseBackbone:
    """Load the pose network.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or the weights do not load.
    """
    if backend == "hrnet-simcc":
        if weights is None:
            raise HeatpoolError(
                "expected --weights with --backend hrnet-simcc, such as "
                "pose_hrnet_w48_256x192_split2_sigma4.pth from the HP-Net or SimCC authors' pages"
            )
        return load_hrnet_backbone(weights, tap=tap, batchnorm=batchnorm, device=device)
    if batchnorm != "eval":
        raise HeatpoolError(
            f"expected --batchnorm {batchnorm} with --backend hrnet-simcc only, got --backend {backend}"
        )
    if backend == "onnx":
        if weights is None or tap is None:
            raise HeatpoolError("expected --weights pose.onnx and --tap NAME with --backend onnx")
        return OnnxBackbone(weights, tap, device=device)
    if weights is not None or tap is not None:
        raise HeatpoolError("expected no --weights and no --tap with --backend tiny: it brings its own")
    return load_tiny_backbone(device)


def build_detector(
    detector: str, *, boxes: Path | None, manifest: Manifest, device: torch.device | str
) -> Detector:
    """Load the detector.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or the boxes cannot be read.
    """
    if detector == "boxes-file":
        if boxes is None:
            raise HeatpoolError("expected --boxes boxes.csv with --detector boxes-file")
        videos: Sequence[Path] = [clip.path for clip in manifest.clips]
        return BoxesFile(boxes, videos=videos, root=manifest.root)
    if boxes is not None:
        raise HeatpoolError(f"expected --boxes only with --detector boxes-file, got --detector {detector}")
    if detector == "full-frame":
        return FullFrame()
    model = load_tiny_detector(device)
    return UltralyticsDetector(model, image_px=max(DETECTOR_INPUT_WH), device=device)
