"""What dask costs against the plain loop, and what a second worker brings; start-up kept apart.

Usage: python -m benchmarks.workers [--videos clips.csv] [--clips 48] [--rounds 7] [-- OPTIONS OF extract]

Runs `heatpool extract` as people do: --workers 0 and --workers 1 with the same threads, and --workers 2 with
twice as many, in turn, several rounds. The journal's records say when each shard was finished: the steady
rate is that of the shards after each worker's first, start-up is what is left of the run's time. "Per worker,
less": what a worker falls short of the plain loop; for one worker, which is compared with it shard by shard,
that is what dask costs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks.material import demo_manifest
from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pool.store.reader import FeatureStore

PROGRAM = [
    sys.executable,
    "-c",
    "import sys; from heatpool.pipelines.cli import main; sys.exit(main())",
    "extract",
]


@dataclass(frozen=True)
class Timing:
    """One run.

    Attributes:
        seconds: of the whole process.
        shard_s: steady seconds per shard.
        clips_per_s: steady.
        frames_per_s: steady, frames of the videos.
        start_s: seconds that the steady rate does not explain: imports, networks, workers, the end.
        each_s: seconds of each shard after the first, where one process did them all; else none.
    """

    seconds: float
    shard_s: float
    clips_per_s: float
    frames_per_s: float
    start_s: float
    each_s: tuple[float, ...] = ()


def extract(videos: Path, out: Path, workers: int, options: list[str]) -> Timing:
    """Extract once; the store is made anew."""
    command = [*PROGRAM, "--videos", str(videos), "--out", str(out), "--overwrite", "--quiet"]
    command += ["--workers", str(workers), "--threads", str(max(workers, 1)), *options]
    begun = time.perf_counter()
    subprocess.run(command, check=True, env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"})
    seconds = time.perf_counter() - begun
    store = FeatureStore.open(out)
    ends_s = sorted(record.stat().st_mtime for record in (out / "journal").glob("*.json"))
    abreast = max(len(read_run_file(store)["throughput"]["workers"]), 1)
    shards, clips = len(ends_s), len(store)
    if shards < 3 * abreast:
        raise SystemExit(f"expected at least {3 * abreast} shards, got {shards}: smaller --shard-clips")
    # Workers finish about together: once each has had its first, the rest is the steady part.
    shard_s = (ends_s[-1] - ends_s[abreast - 1]) / (shards - abreast)
    clips_per_s = clips / shards / shard_s
    frames = float(store.clips.frames.sum())
    start_s = seconds - shards * shard_s
    each_s = tuple(end - begin for begin, end in pairwise(ends_s)) if abreast == 1 else ()
    return Timing(seconds, shard_s, clips_per_s, frames / clips * clips_per_s, start_s, each_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--videos", type=Path, help="folder or manifest; default a part of the demo data set")
    parser.add_argument("--clips", type=int, default=48)
    parser.add_argument("--shard-clips", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("options", nargs="*", help="of heatpool extract, after --")
    options = parser.parse_args()
    more = ["--limit", str(options.clips), "--shard-clips", str(options.shard_clips), *options.options]
    found: dict[int, list[Timing]] = {0: [], 1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        videos = options.videos or demo_manifest(folder / "demo", clips=options.clips)
        for _ in range(options.rounds):
            for workers, runs in found.items():
                runs.append(extract(videos, folder / "features.zarr", workers, more))
    print(
        "| --workers | threads | start-up s | clips/s | frames/s | over the plain loop | per worker, less |"
    )
    print("|---|---|---|---|---|---|---|")
    for workers, runs in found.items():
        print(f"| {' | '.join(row(workers, runs, found[0]))} |")


def row(workers: int, runs: list[Timing], plain: list[Timing]) -> list[str]:
    """Return medians over rounds; speed over the plain loop's of the same round, with its range.

    One worker is compared shard by shard, so that a moment's load of the machine does not count for all.
    """
    rounds = list(zip(runs, plain, strict=True))
    ratios = [each.clips_per_s / base.clips_per_s for each, base in rounds]
    if all(each.each_s for each in runs):
        ratios = [
            statistics.median(theirs / ours for ours, theirs in zip(each.each_s, base.each_s, strict=True))
            for each, base in rounds
        ]
    start_s, clips, frames = (
        statistics.median(getattr(each, name) for each in runs)
        for name in ("start_s", "clips_per_s", "frames_per_s")
    )
    cells = [str(workers), str(max(workers, 1)), f"{start_s:.1f}", f"{clips:.2f}", f"{frames:.0f}"]
    if not workers:
        return [*cells, "1", ""]
    middle = statistics.median(ratios)
    return [*cells, f"{middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f})", f"{1 - middle / workers:.1%}"]


if __name__ == "__main__":
    main()
