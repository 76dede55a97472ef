"""A store of ten million clips: making it, opening it, choosing clips, planning a resume; time and memory.

Usage: python -m benchmarks.scale [--clips 10000000] [--shards 20] [--full-journal] [--folder FOLDER]
Arrays are declared for all clips, a few shards are written. Each question is asked in a process of its
own; its memory is the largest resident size, the interpreter and its libraries included. Files are
warm in the page cache. --full-journal gives every shard a record: the worst case of planning.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.memory import largest_resident_mb
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.journal import ShardRecord, record_key
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter

SPEC = StoreSpec(2, 64, 17, 96, "hrnet-simcc", "stage4_branch1", "ab" * 32, {"detector": "yolo"})

QUESTIONS = {
    "nothing: Python, NumPy, Zarr imported": "",
    "open": "store = FeatureStore.open(path)",
    "select train of a split": "rows = FeatureStore.open(path).clips.rows('xsub', 'train', usable=False)",
    "select usable train": "rows = FeatureStore.open(path).clips.rows('xsub', 'train')",
    "select by subject, class and split": "rows = FeatureStore.open(path).clips.rows("
    "'xsub', 'train', where={'subject': ['s3', 's5']}, classes=[7, 9], usable=False)",
    "ids of 1000 scattered clips": "store = FeatureStore.open(path); "
    "ids = store.clips.clip_ids(range(0, clips, clips // 1000))",
    "read one clip": "clip = FeatureStore.open(path).clip(0)",
    "plan a resume, check=journal": "shards = StoreWriter.attach(path).pending_shards(check='journal')",
    "plan a resume, check=sizes": "shards = StoreWriter.attach(path).pending_shards(check='sizes')",
    "plan a resume, check=hashes": "shards = StoreWriter.attach(path).pending_shards(check='hashes')",
    "the manifest's index, made in memory": "index = make_index(clips)",
    "the same, and resume with it": "StoreWriter.resume(path, spec=SPEC, index=make_index(clips)).close()",
}


def make_index(clips: int) -> ClipIndex:
    """An index like that of a large data set: ids and paths of their own, 400 classes, 1,000 subjects."""
    numbers = range(clips)
    return ClipIndex(
        clip_id=tuple(f"S{number:08d}" for number in numbers),
        path=tuple(f"videos/{number % 1000:03d}/S{number:08d}.mp4" for number in numbers),
        label=(np.arange(clips) % 400).astype(np.int32),
        class_names=tuple(f"class {number}" for number in range(400)),
        columns={"subject": tuple(f"s{number % 1000}" for number in numbers)},
        splits={"xsub": (np.arange(clips) % 4).astype(np.uint8)},
    )


def make_store(path: Path, *, clips: int, shards: int) -> None:
    """Declare everything, write a few shards."""
    rng = np.random.default_rng(0)
    pooled = rng.gamma(1, 1, (2, 64, 17, 96)).astype(np.float32)
    features = ClipFeatures(
        pooled,
        keypoints=np.zeros((2, 64, 17, 3), np.float32),
        boxes=np.zeros((2, 64, 4), np.float32),
        mask=np.ones((2, 64), bool),
        time_s=np.arange(64, dtype=np.float32),
    )
    with StoreWriter.create(path, spec=SPEC, index=make_index(clips)) as writer:
        for shard in range(shards):
            count = len(writer.shard_rows(shard))
            writer.write_shard(
                shard, [features] * count, [ClipResult(Status.OK, 103, 30.0, 1920, 1080, 2)] * count
            )
        writer.finish()


def fill_journal(path: Path) -> None:
    """Give every shard without a record one of failed clips, which has no files."""
    layout = StoreWriter.attach(path).layout
    for shard in StoreWriter.attach(path).pending_shards(check="journal"):
        results = [ClipResult(Status.FAILED)] * len(layout.rows(shard))
        record = ShardRecord.of(
            layout, shard, files={}, results=results, code_version="benchmark", versions={}
        )
        (path / record_key(shard)).write_bytes(record.to_bytes())


def ask(path: Path, clips: int, question: str) -> None:
    """Run one question in this process and print seconds and MB as JSON."""
    names = {"path": path, "clips": clips, "FeatureStore": FeatureStore, "StoreWriter": StoreWriter}
    names |= {"make_index": make_index, "SPEC": SPEC}
    begun = time.perf_counter()
    exec(QUESTIONS[question], names)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "megabytes": largest_resident_mb()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=10_000_000)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--full-journal", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the store goes; default a temporary folder")
    parser.add_argument("--ask", choices=QUESTIONS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        ask(options.folder, options.clips, options.ask)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder, "large.zarr")
        begun = time.perf_counter()
        make_store(path, clips=options.clips, shards=options.shards)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        print(f"{options.clips:,} clips, {options.shards} shards written: made in "
              f"{time.perf_counter() - begun:.0f} s, {size / 1e6:.0f} MB\n")  # fmt: skip
        if options.full_journal:
            fill_journal(path)
        print("| question | seconds | with start-up | largest resident MB |\n|---|---|---|---|")
        for question in QUESTIONS:
            command = [sys.executable, "-m", "benchmarks.scale", "--ask", question, "--folder", str(path)]
            command += ["--clips", str(options.clips)]
            begun = time.perf_counter()
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            cells = (
                f"{found['seconds']:.2f}",
                f"{time.perf_counter() - begun:.2f}",
                f"{found['megabytes']:.0f}",
            )
            print(f"| {question} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
