"""What a store records of the networks and options that made it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.networks.onnx_file import read_onnx
from heatpool.extract.networks.tiny.weights import DETECTOR_FILE
from heatpool.extract.networks.vitpose import VitPose
from heatpool.extract.networks.weight_sources import SHIPPED_FOLDER
from heatpool.extract.records import FrameBackbone, PoseBackbone
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.extract.rgb.networks import ImageEmbedder
from heatpool.pipelines.extraction.choose_runtime import own_runtime
from heatpool.pipelines.extraction.given import describe_given
from heatpool.pipelines.extraction.versions import versions_at_work
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.disk.files import hash_file
from heatpool.pool.skeleton import Skeleton
from heatpool.pool.store.resume import NETWORK
from heatpool.pool.store.spec import RgbSpec, StoreSpec

__all__ = ["describe_store"]


def describe_store(
    options: ExtractOptions,
    backbone: PoseBackbone | FrameBackbone,
    rgb: RgbEncoder | None,
    given: GivenPersons | None,
    *,
    skeleton: Skeleton,
) -> StoreSpec:
    """Return what decides the values of a store. Places of files are left out: they differ by machine."""
    return StoreSpec(
        persons=options.persons,
        steps=options.steps,
        joints=skeleton.joints,
        channels=backbone.channels,
        backbone=options.backend,
        tap=backbone.tap,
        weights_sha256=backbone.weights_sha256,
        config={
            "backend": options.backend,
            "detector": Path(options.detector).name,
            **describe_given(options, given),
            "min_score": options.min_score,
            "min_area": options.min_area,
            "pooling": options.pooling,
            "person_selection": options.person_selection,
            "frame_stride": options.frame_stride,
            "sample_fps": options.sample_fps,
            "batchnorm": options.batchnorm,
            "crop_aspect": options.crop_aspect,
            "dtype": options.dtype,
            # Earlier builds left slots empty beside who is alone: their stores are not resumed by this rule.
            **({"alone": "every slot"} if options.person_selection == "first" else {}),
            # Only what is given: stores of before have no such entries, and are resumed all the same.
            **json.loads(json.dumps({f"onnx_{name}": value for name, value in options.onnx_input.items()})),
            **({"imgsz": list(options.imgsz)} if options.imgsz else {}),
            **({"iou": options.iou} if options.iou else {}),
            **({"runtime": options.runtime} if options.runtime != own_runtime(options.backend) else {}),
            NETWORK: json.loads(json.dumps(_describe_network(options, backbone, rgb))),
        },
        licence=options.licence,
        citation=options.citation,
        source=options.source,
        rgb=_describe_rgb(options, rgb),
        precision=options.precision,
        tap_channels=backbone.tap_channels,
        map_mean=options.map_mean,
        skeleton=skeleton.name,
        joint_names=skeleton.joint_names,
        edges=skeleton.edges,
        versions=versions_at_work(options),
    )


def _describe_network(
    options: ExtractOptions, backbone: PoseBackbone | FrameBackbone, rgb: RgbEncoder | None
) -> dict[str, Any]:
    """Return what decides numbers beside the weights of the pose network and the options."""
    known: dict[str, Any] = {"detector_sha256": _detector_sha256(options.detector)}
    if hasattr(backbone, "crop"):  # of a top-down network
        known["crop"] = asdict(backbone.crop)
    if isinstance(backbone, VitPose):
        known["settings"] = backbone.settings
    if isinstance(rgb, ImageEmbedder):
        known["rgb_settings"] = rgb.settings
    return {name: value for name, value in known.items() if value}


def _detector_sha256(detector: str) -> str:
    """Return the digest of a detector's weights, "" for what has none."""
    path = SHIPPED_FOLDER / DETECTOR_FILE if detector == "tiny" else Path(detector)
    if not path.is_file():
        return ""
    return read_onnx(path).sha256 if path.suffix.lower() == ".onnx" else hash_file(path)[1]


def _describe_rgb(options: ExtractOptions, encoder: RgbEncoder | None) -> RgbSpec | None:
    if options.rgb is None or encoder is None:
        return None
    return RgbSpec(options.rgb, encoder.frames, encoder.width, encoder.crop_px, encoder.weights_sha256)
