"""`heatpool visualize`: what the networks see in a video, drawn over it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from heatpool.extract.video.picture_names import is_one_video, name_of_pictures
from heatpool.pipelines.options.exit_codes import CLIPS_FAILED
from heatpool.pipelines.options.visualize import VisualizeOptions
from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: VisualizeOptions) -> int:
    """Draw a video; return 0, or 3 when it is truncated or damaged.

    Raises:
        HeatpoolError: if an option, the video or the weights are not as they must be, or a file is there.
    """
    options = _with_outputs(options)
    from heatpool.pipelines.extraction.visualize import visualize  # torch and networks: after the paths

    drawn = visualize(options)
    persons = ", ".join(f"person {slot + 1} in {count}" for slot, count in drawn.persons.items())
    written = " and ".join(str(path) for path in drawn.files)
    line = f"{written}: {drawn.frames} frames, {persons or 'no person detected'}"
    if drawn.damage:
        _log.warning("%s; %s is damaged: %s", line, options.video.name, drawn.damage)
        return CLIPS_FAILED
    _log.info(line)
    return 0


def _with_outputs(options: VisualizeOptions) -> VisualizeOptions:
    """Return the options with what is to be written, none of which is in the way."""
    video = options.video
    if not (video.is_file() or (options.fps and is_one_video(video))):
        raise HeatpoolError(
            "expected a video file, or with --fps a folder of pictures or a pattern of their names, got "
            f"{video}"
        )
    if options.out is None and options.sheet is None:
        stem = video.stem if video.is_file() else name_of_pictures(video)
        options = replace(options, out=Path(f"{stem}-overlay.mp4"), sheet=Path(f"{stem}-sheet.png"))
    for path in (options.out, options.sheet):
        if path is None:
            continue
        if path.exists() and video.exists() and path.samefile(video):
            raise HeatpoolError(f"expected another file to write than the video itself, got {path}")
        refuse_existing(path, options.overwrite)
    return options
