"""How few bytes features may take: error, bytes a person and test accuracy of classifiers trained on them.

Usage: python -m benchmarks.precision STORE [--protocol xsub] [--models linear,ctrgcn] [--seeds 5]
       [--precisions u1,error:2%,error:5%,error:10%,error:20%,float16:2%] [--folds 5 --fold-by subject]

STORE is of precision f2. Of each model a joint and a joint motion stream of the pooled features, trained and
tested on the converted store; mean over seeds, or over seeds and folds, and half the width of its 95 %
interval (t distribution).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as t_distribution

import heatpool
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.store.reader import FeatureStore

PRECISIONS = "u1,error:2%,error:5%,error:10%,error:20%,float16:2%"
STREAMS = ("pooled_joint", "pooled_joint_motion")


def make(whole: FeatureStore, precision: str, folder: Path) -> FeatureStore:
    """Return the store in a precision."""
    if precision == "f2":
        return whole
    convert_store(whole, folder / "store.zarr", precision=precision)
    return FeatureStore.open(folder / "store.zarr")


def error_of(store: FeatureStore, whole: FeatureStore) -> float:
    """Return the relative error of the pooled features, measured on what is read."""
    lost = total = 0.0
    for (_, read), (_, exact) in zip(store.iter_shards(), whole.iter_shards(), strict=True):
        values = exact["pooled"].astype(np.float64)
        lost += float(((read["pooled"] - values) ** 2).sum())
        total += float((values**2).sum())
    return float(np.sqrt(lost / total))


def kb_per_person(store: FeatureStore) -> float:
    """Return kilobytes (1000 bytes) of all features a person."""
    sizes = store.bytes_by_array()
    return sum(sizes[name] for name in store.layout.stored) / int(store.clips.persons.sum()) / 1000


def accuracies(
    store: FeatureStore, model: str, asked: argparse.Namespace, folder: Path
) -> dict[str, list[float]]:
    """Return top-1 on test by stream, one for each seed or fold."""
    found: dict[str, list[float]] = {stream: [] for stream in STREAMS}
    options: dict[str, Any] = {"model": model, "streams": STREAMS, "quiet": True, "protocol": asked.protocol}
    if asked.folds:
        options |= {"folds": asked.folds, "fold_by": asked.fold_by, "protocol": None}
    for seed in range(asked.seeds):
        out = folder / f"{model}{seed}"
        heatpool.train(store.path, out, seed=seed, **options)
        runs = sorted(out.glob("fold_*")) if asked.folds else [out]
        for run in runs:
            figures = heatpool.load_run(run).figures
            for stream in STREAMS:
                found[stream].append(figures[stream].top1)
    return found


def show(values: list[float]) -> str:
    """Return mean and half width of the interval in percent."""
    if len(values) < 2:
        return f"{100 * values[0]:.1f}"
    half = t_distribution.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{100 * mean(values):.1f} ± {100 * half:.1f}"


def main() -> None:
    """Print a row for each precision."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", type=Path)
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--models", default="linear,ctrgcn")
    parser.add_argument("--precisions", default=PRECISIONS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--fold-by")
    asked = parser.parse_args()
    whole = FeatureStore.open(asked.store)
    models = asked.models.split(",")
    heads = [f"{model}, {stream.removeprefix('pooled_')}" for model in models for stream in STREAMS]
    print("| precision | error | kB a person |", " | ".join(heads), "|")
    print("|---|---|---|", "---|" * len(heads), sep="")
    for precision in ("f2", *asked.precisions.split(",")):
        with tempfile.TemporaryDirectory() as name:
            store = make(whole, precision, Path(name))
            cells = [precision, f"{error_of(store, whole):.2%}", f"{kb_per_person(store):.1f}"]
            for model in models:
                found = accuracies(store, model, asked, Path(name))
                cells += [show(found[stream]) for stream in STREAMS]
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
