"""What extraction would say of the networks and boxes that it is given, before any frame is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from heatpool.extract.datasets.box_findings import VideoSize, check_boxes
from heatpool.extract.datasets.boxes import GivenBoxes
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.backends import build_estimator, read_given_boxes
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.options import NetworkOptions
from heatpool.pipelines.process.device import pick_device
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.split_findings.finding import Finding

__all__ = ["check_networks"]

_log = logging.getLogger(__name__)


def check_networks(
    options: NetworkOptions, manifest: Manifest, *, sizes: Mapping[Path, VideoSize]
) -> list[Finding]:
    """Load the networks and read the boxes that options name, as extraction does.

    Args:
        options: of an extraction; what they leave open is not chosen.
        manifest: clips.
        sizes: of the videos that could be read.
    """
    options, boxes, findings = options.resolved(), None, list[Finding]()
    if options.boxes:
        try:
            boxes = read_given_boxes(replace(options, detector="boxes-file"), manifest)
        except HeatpoolError as error:
            return [Finding("error", "boxes", str(error))]
        assert boxes is not None, "the detector is the file"
        findings += _box_findings(boxes, manifest, sizes)
    if options.weights or options.backend != "auto":
        try:
            device = pick_device(options.device)
            chosen = choose_networks(options, demo=False, device=device.type)
            build_estimator(chosen, boxes, device=device)
        except HeatpoolError as error:
            findings.append(Finding("error", "networks", str(error)))
    return findings


def _box_findings(boxes: GivenBoxes, manifest: Manifest, sizes: Mapping[Path, VideoSize]) -> list[Finding]:
    for line in boxes.notes:
        _log.info(line)
    findings = [Finding("warning", "boxes", line) for line in boxes.wrong]
    for found in check_boxes(boxes, sizes):
        rows = tuple(row for row, clip in enumerate(manifest.clips) if clip.path in found.videos)
        findings.append(Finding(found.level, "boxes", found.message, rows))
    return findings
