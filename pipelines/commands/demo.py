"""`heatpool demo`: the main job on the embedded data set, up to report.html, and a clip of real people."""

from __future__ import annotations

import logging
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

from heatpool.pipelines.options import DemoOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pool.errors import HeatpoolError

if TYPE_CHECKING:
    from heatpool.extract.demo.dataset import DemoSpec

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: DemoOptions) -> int:
    """Render, extract, train, evaluate and report; a demo that was interrupted resumes where it was.

    A real clip is extracted as well, where it and weights for real people can be had.

    Raises:
        HeatpoolError: if the folder holds something else, or a stage fails.
    """
    begun = time.monotonic()
    if options.overwrite and options.out.exists():
        if not (options.out / "dataset").is_dir():
            raise HeatpoolError(f"--overwrite replaces demo folders only, {options.out} is none")
        shutil.rmtree(options.out)
    from heatpool.pipelines.extraction.places import render_demo_videos
    from heatpool.pipelines.extraction.run import extract
    from heatpool.pipelines.training.run import train

    manifest = render_demo_videos(options.out, spec=_spec(options), quiet=options.quiet)
    features, run_folder = options.out / "features.zarr", options.out / "run"
    extract(
        manifest,
        features,
        shard_clips=32,
        map_mean=options.classes == "objects",
        workers=0 if options.small else available_cores(),
        resume=features.exists(),
        licence="AGPL-3.0-or-later, as heatpool, which draws them",
        source=f"heatpool demo, seed {options.seed}",
        quiet=options.quiet,
    )
    trained = train(
        features,
        run_folder,
        protocol="xsub",
        model="ctrgcn",
        seed=options.seed,
        epochs=2 if options.small else None,
        videos=manifest,
        resume=run_folder.exists(),
        quiet=options.quiet,
    )
    if options.fetch:
        sheet = _real_people(options)
        if sheet is not None:
            trained.write_report(features, videos=manifest, sheets=[sheet])
    print(trained)
    _log.info("demo: %.0f s in all; open %s", time.monotonic() - begun, run_folder / "report.html")
    return 0


def _spec(options: DemoOptions) -> DemoSpec:
    from heatpool.extract.demo.dataset import DemoSpec

    objects = options.classes == "objects"
    if options.small:
        return DemoSpec.small(seed=options.seed, objects=objects)
    return DemoSpec.objects(seed=options.seed) if objects else DemoSpec(seed=options.seed)


def _real_people(options: DemoOptions) -> tuple[Path, str] | None:
    """Extract a real clip; return its contact sheet with licence and origin. Offline, say so instead."""
    from heatpool.pipelines.extraction.real_clip import REAL_CLIP_ABOUT, extract_real_clip

    try:
        sheet = extract_real_clip(options.out / "real", quiet=options.quiet)
    except HeatpoolError as error:
        _log.warning("no real people in this demo: %s", error)
        return None
    _log.info("real people: %s (%s)", sheet, REAL_CLIP_ABOUT)
    return sheet, REAL_CLIP_ABOUT
