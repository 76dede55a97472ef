"""The persons that options take from a file in place of a detector's."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from heatpool.extract.datasets.box_formats import BoxReading
from heatpool.extract.datasets.boxes import read_boxes
from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.datasets.keypoints import KeypointReading, read_keypoints
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.options import NetworkOptions
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton

__all__ = ["describe_given", "read_given"]


def read_given(options: NetworkOptions, manifest: Manifest) -> GivenPersons | None:
    """Open the file of --keypoints, or read that of --boxes, for the clips of a manifest; None without.

    Raises:
        HeatpoolError: if an option is missing, or the file is not as it must be.
    """
    videos, tracks = [clip.path for clip in manifest.clips], options.tracks == "file"
    if options.keypoints is not None:
        of_keypoints = KeypointReading(
            format=options.keypoints_format or "auto",
            margin=options.keypoints_margin,
            min_joint_score=options.min_joint_score,
            first_frame=options.first_frame or 0,
            tracks=tracks,
            skeleton=read_skeleton(options.skeleton) if options.skeleton else None,
        )
        return read_keypoints(
            options.keypoints,
            videos=videos,
            root=manifest.root,
            min_score=options.min_score,
            said=of_keypoints,
        )
    if options.detector != "boxes-file":
        return None
    if options.boxes is None:
        raise HeatpoolError("expected --boxes boxes.csv with --detector boxes-file")
    layout = None if options.boxes_format == "auto" else options.boxes_format
    return read_boxes(
        options.boxes,
        videos=videos,
        root=manifest.root,
        min_score=options.min_score,
        said=BoxReading(layout, options.boxes_class, options.first_frame),
        tracks=tracks,
    )


def describe_given(options: NetworkOptions, given: GivenPersons | None) -> dict[str, Any]:
    """Return what a store records of them: only what is not as before there was a choice."""
    known: dict[str, Any] = {}
    if options.keypoints is not None and given is not None:
        known = {
            "keypoints_kind": given.kind,
            "keypoints_sha256": _digest(options.keypoints),
            "keypoints_margin": options.keypoints_margin,
            "min_joint_score": options.min_joint_score,
        }
    if given is not None and given.tracked:
        known["tracks"] = options.tracks
    if options.boxes_format != "auto":
        known["boxes_format"] = options.boxes_format
    if options.boxes_class is not None:
        known["boxes_class"] = options.boxes_class
    if options.first_frame is not None:
        known["first_frame"] = options.first_frame
    return {"boxes_sha256": _digest(options.boxes) if options.boxes else "", **known}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; of a folder, that of its files' names and digests."""
    if path.is_file():
        return hash_file(path)[1]
    digest = hashlib.sha256()
    for file in sorted(each for each in path.rglob("*") if each.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)[1]}\n".encode())
    return digest.hexdigest()
