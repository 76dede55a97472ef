"""Where an extraction reads and writes; looked at before anything heavy is imported."""

from __future__ import annotations

from pathlib import Path

from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError

__all__ = ["DEMO_FOLDER", "find_places"]

DEMO_FOLDER = Path("demo_out")
"""Where commands without arguments look for the demo and put it."""


def find_places(options: ExtractOptions) -> tuple[Path, Path]:
    """Return where the videos are, of the demo its folder, and where the store goes.

    Raises:
        HeatpoolError: if there are no videos, or the store is there and may be neither resumed nor replaced.
    """
    videos = options.videos or DEMO_FOLDER
    if options.videos and not videos.exists():
        raise HeatpoolError(f"expected a folder or manifest of videos, {videos} does not exist")
    is_file = options.videos is not None and not videos.is_dir()
    out = options.out or (videos.parent if is_file else videos) / "features.zarr"
    if not (options.resume or options.dry_run):
        refuse_existing(out, options.overwrite, resumable=True)
    return videos, out
