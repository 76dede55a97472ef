"""Where an extraction reads and writes; checked before anything heavy is imported. And the demo's videos."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from heatpool.extract.video.picture_names import is_one_video
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    from heatpool.extract.demo.dataset import DemoSpec

__all__ = ["DEMO_FOLDER", "append_folder", "find_places", "is_demo", "render_demo_videos"]

DEMO_FOLDER = Path("demo_out")
"""Where commands without arguments look for the demo and put it."""


def find_places(options: ExtractOptions) -> tuple[Path, Path]:
    """Return where the videos are, of the demo its folder, and where the store goes.

    Raises:
        HeatpoolError: if there are no videos, or the store is there and may be neither resumed nor replaced.
    """
    videos = options.videos or DEMO_FOLDER
    pictures = options.fps > 0 and is_one_video(videos)
    if options.videos and not (videos.exists() or pictures):
        raise HeatpoolError(f"expected a folder or manifest of videos, {videos} does not exist")
    is_file = options.videos is not None and (pictures or not videos.is_dir())
    out = options.out or (videos.parent if is_file else videos) / "features.zarr"
    if not (options.resume or options.dry_run or options.append):
        refuse_existing(out, options.overwrite, resumable=True)
    return videos, out


def append_folder(store: Path) -> Path:
    """Where the clips lie that are about to be appended to a store, until all are done."""
    return store.with_name(f"{store.stem}.append{store.suffix}")


def is_demo(videos: Path) -> bool:
    """Whether these videos are the demo data set: rendered people, which the tiny networks know."""
    from heatpool.extract.demo.dataset import MARKER

    folder = (videos if videos.is_dir() else videos.parent).resolve()
    return any((place / MARKER).is_file() for place in (folder, folder.parent))  # a video lies a folder below


def render_demo_videos(folder: Path, *, spec: DemoSpec | None = None, quiet: bool = False) -> Path:
    """Render what is missing of the demo data set below `folder`; return its manifest.

    Raises:
        HeatpoolError: if the folder holds a demo data set of another specification.
    """
    from heatpool.extract.demo.dataset import DemoSpec, render_demo

    spec = spec or DemoSpec()
    with Progress("render", len(spec.clips()), "clips", quiet=quiet) as progress:
        return render_demo(spec, folder / "dataset", workers=available_cores(), progress=progress.step)
