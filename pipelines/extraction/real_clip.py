"""A clip of real people that the package index has: for the demo, which draws its own people otherwise."""

from __future__ import annotations

from pathlib import Path

from heatpool.extract.networks.weight_sources import PackageMember
from heatpool.pipelines.extraction.package_index import fetch_member
from heatpool.pipelines.extraction.run import extract
from heatpool.pipelines.extraction.visualize import visualize
from heatpool.pipelines.options import VisualizeOptions

__all__ = ["REAL_CLIP", "REAL_CLIP_ABOUT", "REAL_CLIP_SHA256", "extract_real_clip"]

REAL_CLIP = PackageMember("sports2d", "0.8.34", "Sports2D/Demo/demo.mp4", 3_968_304)
REAL_CLIP_SHA256 = "d9a66417185647b112304b57093f0c180f37a768e6a14daca75ca541f3b78039"
REAL_CLIP_ABOUT = (
    "Demo clip of Sports2D 0.8.34, https://github.com/davidpagnon/Sports2D, "
    "BSD-3-Clause, copyright 2022 perfanalytics"
)
"""Licence and origin."""

_SHEET_STRIDE = 5  # 12 pictures of 230 frames: every fifth is enough to follow the people


def extract_real_clip(folder: Path, *, quiet: bool = False) -> Path:
    """Fetch the clip, pool its features into a store and draw its contact sheet; what is there is kept.

    Returns:
        The contact sheet.

    Raises:
        HeatpoolError: if the package index or weights cannot be reached, or the folder cannot be written.
    """
    clip, features, sheet = folder / "sports2d.mp4", folder / "features.zarr", folder / "people.png"
    if sheet.exists():  # it is made last
        return sheet
    if not clip.exists():
        fetch_member(REAL_CLIP, clip, sha256=REAL_CLIP_SHA256)
    extract(
        clip,
        features,
        resume=features.exists(),
        licence="BSD-3-Clause",
        source=REAL_CLIP_ABOUT,
        quiet=quiet,
    )
    visualize(VisualizeOptions(clip, sheet=sheet, frame_stride=_SHEET_STRIDE, heatmaps="none", quiet=quiet))
    return sheet
