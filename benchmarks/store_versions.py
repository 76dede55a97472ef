"""What the folders of version 2 of the store cost beside version 1: entries on the disk, and time.

Usage: python -m benchmarks.store_versions [--clips 100000] [--folder FOLDER]

Two stores of the same small clips, shard by shard in turns, then all else in turns; the fastest of three.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.scale import make_index
from heatpool.pool.archive.pack import pack, unpack
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.sources.locate import open_archive
from heatpool.pool.store.attributes import root_attributes
from heatpool.pool.store.create import fill_new
from heatpool.pool.store.layout import VERSIONS, Layout
from heatpool.pool.store.reader import open_store
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter

_REPEATS = 3


def make_stores(folder: Path, clips: int) -> dict[int, float]:
    """Write a store of each version; return milliseconds per shard, the median, by version."""
    spec, index = StoreSpec(1, 4, 17, 8, "net", "tap", "ab" * 32, {}), make_index(clips)
    pooled = np.random.default_rng(0).gamma(1, 1, (1, 4, 17, 8)).astype("f4")
    features = ClipFeatures(
        pooled, np.full((1, 4, 17, 3), 0.5, "f4"), np.ones((1, 4, 4), "f4"), np.ones((1, 4), bool),
        np.arange(4, dtype="f4"),
    )  # fmt: skip
    result, writers, seconds = ClipResult(Status.OK, 103, 30.0, 1920, 1080, 1), {}, {}
    for version in VERSIONS:
        layout = replace(Layout.of(spec, clips=clips, shard_clips=64), version=version)
        path = folder / f"{version}.zarr"
        path.mkdir()
        attributes = root_attributes(spec, clips=clips, shard_clips=64, version=version)
        fill_new(path, layout, attributes=attributes, index=index, on_step=lambda name: None)
        writers[version], seconds[version] = StoreWriter.attach(path), list[float]()
    for shard in range(layout.shards):
        count = len(layout.rows(shard))
        for version in VERSIONS[:: 1 if shard % 2 else -1]:
            begun = time.perf_counter()
            writers[version].write_shard(shard, [features] * count, [result] * count)
            seconds[version].append(time.perf_counter() - begun)
    for writer in writers.values():
        writer.finish()
    return {version: 1e3 * float(np.median(each)) for version, each in seconds.items()}


def count_entries(store: Path) -> tuple[int, int]:
    """Count the folders and files of a store."""
    found = [(len(folders), len(files)) for _, folders, files in os.walk(store)]
    return sum(folders for folders, _ in found), sum(files for _, files in found)


def fastest(task: Callable[[int], object]) -> dict[int, float]:
    """Seconds of the fastest try, by version, both in turns."""
    seconds = dict.fromkeys(VERSIONS, np.inf)
    for attempt in range(_REPEATS):
        for version in VERSIONS[:: 1 if attempt % 2 else -1]:
            begun = time.perf_counter()
            task(version)
            seconds[version] = min(seconds[version], time.perf_counter() - begun)
    return seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the stores go; default a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        shards = make_stores(folder, options.clips)
        print("| | version 1 | version 2 |\n|---|---|---|")
        entries = {version: count_entries(folder / f"{version}.zarr") for version in VERSIONS}
        for place, what in enumerate(("folders", "files")):
            print(f"| {what} | {entries[1][place]:,} | {entries[2][place]:,} |")
        print(f"| write a shard of 64 clips, ms | {shards[1]:.0f} | {shards[2]:.0f} |")
        tasks: dict[str, Callable[[int], object]] = {
            "verify, s": lambda version: verify_store(folder / f"{version}.zarr"),
            "read all features, s": lambda version: list(
                open_store(folder / f"{version}.zarr").iter_shards()
            ),
            "pack, s": lambda version: pack(
                folder / f"{version}.zarr", folder / f"{version}.hpz", card="", overwrite=True
            ),
            "unpack, s": lambda version: unpack(
                open_archive(folder / f"{version}.hpz"), folder / f"unpacked{version}.zarr", overwrite=True
            ),
        }
        for what, task in tasks.items():
            found = fastest(task)
            print(f"| {what} | {found[1]:.2f} | {found[2]:.2f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
