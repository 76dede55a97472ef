"""Whether videos are the demo data set, and how it comes about."""

from __future__ import annotations

from pathlib import Path

from heatpool.extract.demo.dataset import MARKER, DemoSpec, render_demo
from heatpool.pipelines.process.device import available_cores
from heatpool.pipelines.process.progress import Progress

__all__ = ["is_demo", "render_demo_videos"]


def is_demo(videos: Path) -> bool:
    """Whether these videos are the demo data set: rendered people, which the tiny networks know."""
    folder = (videos if videos.is_dir() else videos.parent).resolve()
    return any((place / MARKER).is_file() for place in (folder, folder.parent))  # a video lies a folder below


def render_demo_videos(folder: Path, *, spec: DemoSpec | None = None, quiet: bool = False) -> Path:
    """Render what is missing of the demo data set below `folder`; return its manifest.

    Raises:
        HeatpoolError: if the folder holds a demo data set of another specification.
    """
    spec = spec or DemoSpec()
    with Progress("render", len(spec.clips()), "clips", quiet=quiet) as progress:
        workers = available_cores()
        return render_demo(spec, folder / "dataset", workers=workers, progress=progress.step)
