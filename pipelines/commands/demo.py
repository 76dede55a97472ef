"""`heatpool demo`: the main job on the embedded data set, from rendered videos to report.html."""

from __future__ import annotations

import shutil
import sys
import time

from heatpool.extract.demo.dataset import DemoSpec
from heatpool.pipelines.commands import extract, train
from heatpool.pipelines.extraction.demo_data import render_demo_videos
from heatpool.pipelines.options import DemoOptions, ExtractOptions, TrainOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pool.errors import HeatpoolError

__all__ = ["run"]


def run(config: DemoOptions) -> int:
    """Render, extract, train, evaluate and report; a demo that was interrupted goes on where it was.

    Raises:
        HeatpoolError: if the folder holds something else, or a stage fails.
    """
    begun = time.monotonic()
    if config.overwrite and config.out.exists():
        if not (config.out / "dataset").is_dir():
            raise HeatpoolError(f"--overwrite replaces demo folders only, {config.out} is none")
        shutil.rmtree(config.out)
    spec = DemoSpec.small(seed=config.seed) if config.small else DemoSpec(seed=config.seed)
    manifest = render_demo_videos(config.out, spec=spec)
    features, run_folder = config.out / "features.zarr", config.out / "run"
    extract.run(
        ExtractOptions(
            videos=manifest,
            out=features,
            shard_clips=32,
            workers=0 if config.small else available_cores(),
            resume=features.exists(),
            licence="AGPL-3.0-or-later, as heatpool, which draws them",
            source=f"heatpool demo, seed {config.seed}",
        )
    )
    train.run(
        TrainOptions(
            features=str(features),
            protocol="xsub",
            out=run_folder,
            seed=config.seed,
            epochs=2 if config.small else 0,
            resume=run_folder.exists(),
        )
    )
    print(
        f"demo: {time.monotonic() - begun:.0f} s in all; open {run_folder / 'report.html'}", file=sys.stderr
    )
    return 0
