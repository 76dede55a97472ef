"""Clips that benchmarks share: a part of the demo data set, rendered anew."""

from __future__ import annotations

from pathlib import Path

from extract.demo.dataset import DemoSpec, render_demo
from pipelines.device import available_cores

__all__ = ["demo_manifest"]


def demo_manifest(folder: Path, *, clips: int) -> Path:
    """Render demo clips (256 x 192, about 66 frames), 36 a person, all that `clips` needs; return the CSV.

    It lists whole people, so it may hold more than `clips`: use `--limit`.
    """
    people = -(-clips // 36)
    return render_demo(DemoSpec(subjects=tuple(range(1, people + 1))), folder, workers=available_cores())
