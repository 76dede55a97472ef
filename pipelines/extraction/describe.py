"""What a store records of the networks and options that made it."""

from __future__ import annotations

import json
from pathlib import Path

from heatpool.extract.records import FrameBackbone, PoseBackbone
from heatpool.extract.rgb.crops import RgbEncoder
from heatpool.pipelines.extraction.versions import versions_at_work
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.disk.files import hash_file
from heatpool.pool.records import RgbSpec, StoreSpec

__all__ = ["describe_store"]


def describe_store(
    options: ExtractOptions, backbone: PoseBackbone | FrameBackbone, rgb: RgbEncoder | None
) -> StoreSpec:
    """Return what decides the values of a store. Places of files are left out: they differ by machine."""
    return StoreSpec(
        persons=options.persons,
        steps=options.steps,
        joints=backbone.joints,
        channels=backbone.channels,
        backbone=options.backend,
        tap=backbone.tap,
        weights_sha256=backbone.weights_sha256,
        config={
            "backend": options.backend,
            "detector": Path(options.detector).name,
            "boxes_sha256": hash_file(options.boxes)[1] if options.boxes else "",
            "min_score": options.min_score,
            "min_area": options.min_area,
            "pooling": options.pooling,
            "person_selection": options.person_selection,
            "frame_stride": options.frame_stride,
            "sample_fps": options.sample_fps,
            "batchnorm": options.batchnorm,
            "crop_aspect": options.crop_aspect,
            "dtype": options.dtype,
            # Only what is given: stores of before have no such entries, and are resumed all the same.
            **json.loads(json.dumps({f"onnx_{name}": value for name, value in options.onnx_input.items()})),
        },
        licence=options.licence,
        citation=options.citation,
        source=options.source,
        rgb=_describe_rgb(options, rgb),
        precision=options.precision,
        tap_channels=backbone.tap_channels,
        map_mean=options.map_mean,
        skeleton=backbone.skeleton.name,
        joint_names=backbone.skeleton.joint_names,
        edges=backbone.skeleton.edges,
        versions=versions_at_work(options),
    )


def _describe_rgb(options: ExtractOptions, encoder: RgbEncoder | None) -> RgbSpec | None:
    if options.rgb is None or encoder is None:
        return None
    return RgbSpec(options.rgb, encoder.frames, encoder.width, encoder.crop_px, encoder.weights_sha256)
