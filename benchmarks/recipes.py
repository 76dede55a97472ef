"""What few clips are best learned with: small heads, or CTR-GCN by either recipe, on parts of the demo set.

Usage: python -m benchmarks.recipes [--store demo_out/features.zarr] [--seeds 3] [--models mlp,small,paper]
       [--parts 12x1,12x2,12x4,12x8,3x4,3x8,3x18]

A part is so many classes with so many train clips each, drawn anew for every seed, half as many val clips
(one to six), and all test clips of these classes. Top-1 is that of pooled features and keypoints fused, the
mean of the seeds. The table of docs/training.md, behind the choice that `heatpool train` makes.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from statistics import mean

import numpy as np

import heatpool
from heatpool.pool.records import Split
from heatpool.pool.store.reader import FeatureStore


def write_part(path: Path, store: FeatureStore, *, classes: int, clips: int, seed: int) -> Path:
    """Write the manifest of a part: clips of all splits by id, class name and split."""
    random = np.random.default_rng(seed)
    chosen = random.permutation(len(store.clips.class_names))[:classes]
    most = {Split.TRAIN: clips, Split.VAL: max(1, min(clips // 2, 6)), Split.TEST: len(store)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip_id", "path", "class_name", "part"])
        for split, count in most.items():
            rows = random.permutation(store.clips.rows("xsub", split))
            for label in np.sort(chosen):
                mine = np.sort(rows[store.clips.label[rows] == label][:count])
                name, paths = store.clips.class_names[label], (store.clips.index.path[row] for row in mine)
                ids = zip(store.clips.clip_ids(mine), paths, strict=True)
                writer.writerows([*each, name, split.name.lower()] for each in ids)
    return path


def measure(location: Path, model: str, *, classes: int, clips: int, seeds: int) -> tuple[float, float]:
    """Return the mean top-1 of a model over the seeds, and the seconds of a training."""
    asked = {"model": "ctrgcn", "recipe": model} if model in ("small", "paper") else {"model": model}
    store, found, begun = FeatureStore.open(location), [], time.perf_counter()
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as folder:
            manifest = write_part(Path(folder, "part.csv"), store, classes=classes, clips=clips, seed=seed)
            options = {"manifest": manifest, "protocol": "part", "seed": seed, "quiet": True, **asked}
            run = heatpool.train(location, Path(folder, "run"), **options)
        found.append(run.figures["fused"].top1)
    return mean(found), (time.perf_counter() - begun) / seeds


def main() -> None:
    """Print a row for each part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--store", type=Path, default=Path("demo_out/features.zarr"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default="linear,mlp,small")
    parser.add_argument("--parts", default="12x1,12x2,12x4,12x8,3x4,3x8,3x18")
    asked = parser.parse_args()
    models = asked.models.split(",")
    print("| classes x clips | train clips |", " | ".join(models), "|")
    print("|---|---|", "---|" * len(models), sep="")
    for part in asked.parts.split(","):
        classes, clips = map(int, part.split("x"))
        cells = []
        for model in models:
            top1, seconds = measure(asked.store, model, classes=classes, clips=clips, seeds=asked.seeds)
            cells.append(f"{100 * top1:.1f} % ({seconds:.0f} s)")
        print(f"| {classes} x {clips} | {classes * clips} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
