"""What an extraction says of the boxes that it was given."""

from __future__ import annotations

import logging
from pathlib import Path

from heatpool.extract.datasets.box_findings import VideoSize, check_boxes
from heatpool.extract.datasets.boxes import GivenBoxes
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pool.store.reader import FeatureStore

__all__ = ["report_boxes", "report_table"]

_log = logging.getLogger(__name__)


def report_table(boxes: GivenBoxes) -> None:
    """Log what the table alone tells, before the run."""
    for line in boxes.notes:
        _log.info(line)
    for line in boxes.wrong:
        _log.warning(line)


def report_boxes(boxes: GivenBoxes, manifest: Manifest, store: FeatureStore) -> None:
    """Log what is wrong with the boxes, now that every video was read; the order of both is the same."""
    sizes: dict[Path, VideoSize] = {}
    table = store.clips
    for row, clip in enumerate(manifest.clips):
        width_px, height_px = int(table.width_px[row]), int(table.height_px[row])
        if width_px and clip.path not in sizes:
            # Of a part of a video, how many frames there are behind it is not known.
            whole = not clip.start_s and clip.end_s is None
            sizes[clip.path] = VideoSize(width_px, height_px, int(table.frames[row]) if whole else 0)
    for line in (*boxes.wrong, *(finding.message for finding in check_boxes(boxes, sizes))):
        _log.warning(line)
