"""The networks that options ask for."""

from __future__ import annotations

from pathlib import Path

import torch

from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.engine.estimators import OneStage, PoseEstimator, TopDown
from heatpool.extract.engine.given_one_stage import GivenOneStage
from heatpool.extract.networks.detectors import FullFrame, UltralyticsDetector
from heatpool.extract.networks.hrnet.backbone import DEFAULT_TAP, load_hrnet_backbone
from heatpool.extract.networks.onnx import OnnxBackbone
from heatpool.extract.networks.onnx_detector import OnnxDetector
from heatpool.extract.networks.onnx_input import OnnxInput
from heatpool.extract.networks.onnx_network import FileRuntime
from heatpool.extract.networks.persons_file import PersonsFile
from heatpool.extract.networks.runtime.runner import Runtime
from heatpool.extract.networks.tiny import load_tiny_backbone, load_tiny_detector
from heatpool.extract.networks.tiny.backbone import DETECTOR_INPUT_WH, DETECTOR_MAX_IOU
from heatpool.extract.networks.tiny.network import TINY_TAP
from heatpool.extract.networks.ultralytics import MAX_IOU, load_ultralytics
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.yolo_pose import YoloPose
from heatpool.extract.records import Detector, FrameBackbone, PoseBackbone
from heatpool.extract.rgb.crops import CropFiles, RgbEncoder
from heatpool.extract.rgb.networks import DEFAULT_SOURCES, ImageEmbedder
from heatpool.pipelines.options import ExtractOptions, NetworkOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.skeleton import Skeleton

__all__ = [
    "build_backbone",
    "build_detector",
    "build_estimator",
    "build_one_stage",
    "build_rgb",
    "build_top_down",
    "known_joints",
]


def build_estimator(
    options: NetworkOptions, given: GivenPersons | None, *, device: torch.device
) -> tuple[PoseEstimator, PoseBackbone | FrameBackbone]:
    """Load the networks of options whose choices are made; `given` are the persons of `read_given`.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or weights do not load.
    """
    backbone = build_backbone(options, device=device)
    if isinstance(backbone, YoloPose):
        return build_one_stage(backbone, given), backbone
    detector = build_detector(options, given, device=device)
    return build_top_down(options, detector, backbone, given, device=device), backbone


def build_one_stage(backbone: YoloPose, given: GivenPersons | None) -> OneStage:
    """Return the estimator of a one-stage network, which reads its maps at joints that are given, if any."""
    if given is None or given.skeleton is None:
        return OneStage(backbone)
    return GivenOneStage(_persons_file(given), backbone, joints=given.skeleton.joints)


def build_top_down(
    options: NetworkOptions,
    detector: Detector,
    backbone: PoseBackbone,
    given: GivenPersons | None = None,
    *,
    device: torch.device,
) -> TopDown:
    """Join a detector and a pose network as the options say."""
    return TopDown(
        detector,
        backbone,
        device=device,
        min_area_px=options.min_area,
        pooling=options.pooling,
        crop_aspect=options.crop_aspect,
        given_joints=given.skeleton.joints if given and given.skeleton else None,
    )


def known_joints(
    options: NetworkOptions, backbone: PoseBackbone | FrameBackbone, given: GivenPersons | None
) -> Skeleton:
    """Return the joints that maps are pooled at: the given ones, else the network's; named by --skeleton.

    Raises:
        HeatpoolError: if the file of --skeleton is none, or of other joints.
    """
    told = given.skeleton if given else None
    whose, told = ("the given", told) if told else ("the network's", backbone.skeleton)
    if options.skeleton is None:
        return told
    skeleton = read_skeleton(options.skeleton)
    if skeleton.joints != told.joints:
        raise HeatpoolError(
            f"expected {whose} {told.joints} joints in {options.skeleton}, got {skeleton.joints}"
        )
    return skeleton


def build_backbone(options: NetworkOptions, *, device: torch.device) -> PoseBackbone | YoloPose:
    """Load the pose network of options whose choices are made.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or the weights do not load.
    """
    backend, weights, tap = options.backend, options.weights, options.tap
    if options.batchnorm != "eval" and backend != "hrnet-simcc":
        raise HeatpoolError(f"expected --batchnorm published with --backend hrnet-simcc only, got {backend}")
    if options.onnx_input and backend != "onnx":
        raise HeatpoolError(f"expected --onnx-{next(iter(options.onnx_input))} with --backend onnx only")
    taps = tuple(tap.replace("+", ",").split(",")) if tap else None
    dtype, runtime = _torch_dtype(options), _runtime(options)
    if backend == "tiny":
        if weights is not None:
            raise HeatpoolError("expected no --weights with --backend tiny: it brings its own")
        return load_tiny_backbone(device, taps=taps or (TINY_TAP,), runtime=runtime)
    if backend == "onnx":
        if weights is None or taps is None:
            raise HeatpoolError("expected --weights pose.onnx and --tap NAME with --backend onnx")
        return OnnxBackbone(
            Path(weights),
            taps,
            given=OnnxInput(**options.onnx_input),
            device=device,
            runtime=_file_runtime(options),
            bfloat16=dtype == torch.bfloat16,
        )
    assert weights is not None, "what `choose_networks` leaves has them"
    if backend == "yolo-pose":
        if options.pooling != "point" or options.crop_aspect != "model":
            raise HeatpoolError("expected --pooling point and no --crop-aspect with --backend yolo-pose")
        loaded = load_ultralytics(weights)
        return YoloPose(
            loaded,
            taps=taps or ("p3",),
            image_px=options.image_hw_px,
            min_score=options.min_score,
            max_iou=options.iou or MAX_IOU,
            device=device,
            dtype=dtype,
            runtime=runtime,
        )
    if backend == "vitpose":
        return VitPose(weights, taps=taps or ("last",), device=device, dtype=dtype, runtime=runtime)
    return load_hrnet_backbone(
        Path(weights),
        taps=taps or (DEFAULT_TAP,),
        batchnorm=options.batchnorm,
        device=device,
        dtype=dtype,
        runtime=runtime,
    )


def _persons_file(given: GivenPersons) -> PersonsFile:
    return PersonsFile(given.of_clip, given.source, noun=given.noun, min_score=given.min_score)


def build_detector(options: NetworkOptions, given: GivenPersons | None, *, device: torch.device) -> Detector:
    """Load the detector of options whose choices are made; `given` are the persons of `read_given`.

    Raises:
        HeatpoolError: if an option is missing or does not fit, or weights do not load.
    """
    if (options.imgsz or options.iou) and options.detector in ("boxes-file", "full-frame", "tiny"):
        asked = "imgsz" if options.imgsz else "iou"
        raise HeatpoolError(f"expected --{asked} with a YOLO network only, got --detector {options.detector}")
    if given is not None:
        return _persons_file(given)
    if options.boxes is not None:
        raise HeatpoolError(f"expected --boxes only with --detector boxes-file, got {options.detector}")
    if options.detector == "full-frame":
        return FullFrame()
    if options.detector == "tiny":
        return UltralyticsDetector(
            load_tiny_detector(device),
            image_px=max(DETECTOR_INPUT_WH),
            min_score=options.min_score,
            max_iou=DETECTOR_MAX_IOU,
            device=device,
            runtime=_runtime(options),
        )
    if options.detector == "onnx":
        raise HeatpoolError("expected the file of the detector, --detector person.onnx, got --detector onnx")
    if Path(options.detector).suffix.lower() == ".onnx":
        return OnnxDetector(
            Path(options.detector),
            image_hw_px=options.image_hw_px,
            min_score=options.min_score,
            max_iou=options.iou,
            device=device,
            runtime=_file_runtime(options),
        )
    loaded = load_ultralytics(options.detector)
    return UltralyticsDetector(
        loaded.model,
        image_px=options.image_hw_px or loaded.image_px,
        max_iou=options.iou or MAX_IOU,
        person_classes=loaded.person_classes,
        min_score=options.min_score,
        device=device,
        dtype=_torch_dtype(options),
        runtime=_runtime(options),
    )


def _runtime(options: NetworkOptions) -> Runtime:
    """Return the runtime that `choose_networks` decided on; torch where nothing was chosen."""
    assert options.runtime != "auto", "what `choose_networks` leaves is resolved"
    return options.runtime or "torch"


def _file_runtime(options: NetworkOptions) -> FileRuntime:
    """Return what runs ONNX files, which torch does not."""
    return "openvino" if options.runtime == "openvino" else "onnxruntime"


def _torch_dtype(options: NetworkOptions) -> torch.dtype:
    """Return the dtype that `choose_networks` decided on, as torch's."""
    dtype: torch.dtype = getattr(torch, options.dtype)
    return dtype


def build_rgb(options: ExtractOptions, *, device: torch.device) -> RgbEncoder | None:
    """Return the encoder of a optionsuration, None without `--rgb`.

    Raises:
        HeatpoolError: if its network cannot be loaded or is made for another number of frames.
    """
    if options.rgb is None:
        return None
    if options.rgb == "crops":
        return CropFiles(options.rgb_frames)
    source = options.rgb_weights or DEFAULT_SOURCES[options.rgb]
    return ImageEmbedder(
        options.rgb,
        source,
        frames=options.rgb_frames,
        device=device,
        dtype=_torch_dtype(options),
        fetch=options.fetch,
    )
