"""What extraction would say of the networks and boxes that it is given, before any frame is read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from heatpool.extract.datasets.box_findings import VideoSize, check_boxes
from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pipelines.extraction.backends import build_estimator, known_joints
from heatpool.pipelines.extraction.choose import choose_networks
from heatpool.pipelines.extraction.given import read_given
from heatpool.pipelines.options import NetworkOptions
from heatpool.pipelines.process.device import pick_device
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.split_findings.finding import Finding

__all__ = ["check_networks"]

_log = logging.getLogger(__name__)


def check_networks(
    options: NetworkOptions, manifest: Manifest, *, sizes: Mapping[Path, VideoSize]
) -> list[Finding]:
    """Load the networks and read the boxes or keypoints that options name, as extraction does.

    Args:
        options: of an extraction; what they leave open is not chosen.
        manifest: clips.
        sizes: of the videos that could be read.
    """
    options, given, findings = options.resolved(), None, list[Finding]()
    if options.boxes or options.keypoints:
        check = "boxes" if options.boxes else "keypoints"
        try:
            given = read_given(replace(options, detector="boxes-file"), manifest)
        except HeatpoolError as error:
            return [Finding("error", check, str(error))]
        assert given is not None, "the detector is the file"
        findings += _given_findings(given, manifest, sizes, check=check)
    if options.weights or options.backend != "auto":
        try:
            device = pick_device(options.device)
            chosen = choose_networks(options, demo=False, device=device.type)
            _, backbone = build_estimator(chosen, given, device=device)
            known_joints(chosen, backbone, given)
        except HeatpoolError as error:
            findings.append(Finding("error", "networks", str(error)))
    return findings


def _given_findings(
    given: GivenPersons, manifest: Manifest, sizes: Mapping[Path, VideoSize], *, check: str
) -> list[Finding]:
    for line in given.notes:
        _log.info(line)
    findings = [Finding("warning", check, line) for line in given.wrong]
    for found in check_boxes(given, sizes):
        rows = tuple(row for row, clip in enumerate(manifest.clips) if clip.path in found.videos)
        findings.append(Finding(found.level, check, found.message, rows))
    return findings
