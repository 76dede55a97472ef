"""What an extraction says of the boxes or keypoints that it was given."""

from __future__ import annotations

import logging
from pathlib import Path

from heatpool.extract.datasets.box_findings import VideoSize, check_boxes
from heatpool.extract.datasets.check_videos import check_file, check_videos
from heatpool.extract.datasets.given_persons import GivenPersons
from heatpool.extract.datasets.manifest import Manifest
from heatpool.pool.store.reader import FeatureStore

__all__ = ["report_boxes", "report_sample", "report_table"]

_log = logging.getLogger(__name__)

_SAMPLE, _SAMPLE_BYTES = 16, 1 << 29
"""Videos that are looked at before a run, and at most so many bytes: a second, where the run takes hours."""

_MOST_READ = 512  # videos whose keypoints are read once more in the end


def report_table(given: GivenPersons) -> None:
    """Log what the table alone tells, before the run."""
    for line in given.notes:
        _log.info(line)
    for line in given.wrong:
        _log.warning(line)


def report_sample(given: GivenPersons, manifest: Manifest) -> None:
    """Log which boxes cannot be those of their videos, as far as some videos tell, before the run."""
    named = set(given.named)
    rate = {clip.path: clip.fps for clip in manifest.clips if clip.path in named}
    chosen: dict[Path, float] = {}
    held = 0
    for video in list(rate)[:: max(1, -(-len(rate) // _SAMPLE))]:
        held += check_file(video).size_bytes
        if held > _SAMPLE_BYTES and chosen:
            break
        chosen[video] = rate[video]
    reports = check_videos(chosen, workers=2)
    sizes = {
        path: VideoSize(*report.shown_px, report.frames) for path, report in reports.items() if report.frames
    }
    for finding in check_boxes(given, sizes):
        if finding.level == "error" or finding.options:
            _log.warning(
                "looked at %d of %d videos before the run: %s", len(sizes), len(rate), finding.message
            )


def report_boxes(given: GivenPersons, manifest: Manifest, store: FeatureStore) -> None:
    """Log what is wrong with the persons, now that every video was read; the order of both is the same.

    Of keypoints, which are read once more, so many videos are looked at as take a minute or so.
    """
    sizes: dict[Path, VideoSize] = {}
    table = store.clips
    for row, clip in enumerate(manifest.clips):
        width_px, height_px = int(table.width_px[row]), int(table.height_px[row])
        if width_px and clip.path not in sizes:
            # Of a part of a video, how many frames there are behind it is not known.
            whole = not clip.start_s and clip.end_s is None
            sizes[clip.path] = VideoSize(width_px, height_px, int(table.frames[row]) if whole else 0)
    if given.kind:
        sizes = {video: sizes[video] for video in list(sizes)[:: max(1, -(-len(sizes) // _MOST_READ))]}
    for line in (*given.wrong, *(finding.message for finding in check_boxes(given, sizes))):
        _log.warning(line)
