"""How few bytes features may take: bytes by array, error, and test accuracy of classifiers trained on them.

Usage: python -m benchmarks.precision [STORE] [--models linear,ctrgcn] [--seeds 5] [--protocol xsub]
       [--folds 5 --fold-by setup] [--precisions u1,error:1%,…] [--epochs 12] [--results FILE]
       [--page docs/format.md --block precision_demo]

STORE (default the demo's) is of precision f2. Of each model a joint and a joint motion stream of the pooled
features, trained and tested on the converted store: linear as it is, ctrgcn by its recipe `small`, which has
36 epochs unless others are asked for. With folds each clip is tested once, by the run that did not see its
group. Every training is a line in FILE, so that an interrupted command goes on where it was. Two tables:
kilobytes (1000 bytes) a person; and top-1 in percent, as mean over seeds and half the width of its 95 %
interval (t distribution), then the same of what it differs by from f2, seed by seed.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from scipy.stats import t as t_distribution

import heatpool
from benchmarks.blocks import replace_block
from heatpool.pipelines.extraction.places import DEMO_FOLDER
from heatpool.pipelines.process.machine import machine
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore

PRECISIONS = "u1,error:1%,error:2%,error:5%,error:10%,error:20%"
STREAMS = ("pooled_joint", "pooled_joint_motion")
RECIPES: Mapping[str, Mapping[str, Any]] = {"linear": {}, "ctrgcn": {"recipe": "small"}}
"""Options of a training by model."""

Line = dict[str, Any]


class Lines:
    """Measurements in a file, a line of JSON each, by what was measured."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[Line] = []
        if path.exists():
            self._lines = [json.loads(line) for line in path.read_text().splitlines()]

    def find(self, key: Line) -> Line | None:
        """The measurement of this, None where it was not made yet."""
        return next((line for line in self._lines if line.items() >= key.items()), None)

    def add(self, line: Line) -> Line:
        """Keep a measurement."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self._lines.append(line)
        return line


@dataclass(frozen=True)
class Stores:
    """A store in every precision, each converted when it is first asked for.

    Attributes:
        whole: the store of precision f2.
        folder: of what is converted.
    """

    whole: FeatureStore
    folder: Path

    def get(self, precision: str) -> FeatureStore:
        """The store in a precision."""
        if precision == "f2":
            return self.whole
        place = self.folder / f"{precision.replace(':', '_')}.zarr"
        if not place.exists():
            convert_store(self.whole, place, precision=precision)
        return FeatureStore.open(place)


def error_of(store: FeatureStore, whole: FeatureStore) -> float:
    """Return the relative error of the pooled features, measured on what is read."""
    lost = total = 0.0
    for (_, read), (_, exact) in zip(store.iter_shards(), whole.iter_shards(), strict=True):
        values = exact["pooled"].astype(np.float64)
        lost += float(((read["pooled"] - values) ** 2).sum())
        total += float((values**2).sum())
    return float(np.sqrt(lost / total))


def measure_bytes(stores: Stores, precision: str) -> Line:
    """Return error, and kilobytes a person by array."""
    store = stores.get(precision)
    sizes, persons = store.bytes_by_array(), int(store.clips.persons.sum())
    arrays: dict[str, float] = dict.fromkeys(store.layout.features, 0.0)
    for name in arrays:
        arrays[name] = sum(sizes[part] for part in store.layout.parts(name)) / persons / 1000
    return {"error": error_of(store, stores.whole), "kb": arrays}


def measure_top1(store: FeatureStore, key: Line, asked: argparse.Namespace, out: Path) -> Line:
    """Return top-1 on test by stream, of one seed."""
    options = {"streams": STREAMS, "quiet": True, "threads": asked.threads, **RECIPES[key["model"]]}
    options |= {name: key[name] for name in ("protocol", "folds", "fold_by", "epochs") if key.get(name)}
    begun = time.perf_counter()
    heatpool.train(store.path, out, model=key["model"], seed=key["seed"], **options)
    figures = heatpool.load_run(out).figures
    about = machine()
    return {
        "top1": {stream: figures[stream].top1 for stream in STREAMS},
        "seconds": round(time.perf_counter() - begun),
        "machine": f"{about['processor']}, {about['cores']} hardware threads",
    }


def measure(asked: argparse.Namespace, lines: Lines, whole: FeatureStore) -> tuple[list[Line], list[Line]]:
    """Make the measurements that the file lacks; return those of bytes and those of accuracy."""
    precisions = ("f2", *filter(None, asked.precisions.split(",")))
    models = [model for model in asked.models.split(",") if model]
    of_store: Line = {"store": store_digest(whole.source)}
    cut = {"folds": asked.folds, "fold_by": asked.fold_by} if asked.folds else {"protocol": asked.protocol}
    bytes_, top1 = [], []
    with tempfile.TemporaryDirectory() as name:
        stores = Stores(whole, Path(name))
        for precision in precisions:
            key = of_store | {"precision": precision, "what": "bytes"}
            bytes_.append(lines.find(key) or lines.add(key | measure_bytes(stores, precision)))
        for number, training in enumerate(_trainings(precisions, models, asked)):
            key = of_store | cut | training
            if not (line := lines.find(key)):
                store = stores.get(key["precision"])
                line = lines.add(key | measure_top1(store, key, asked, Path(name, str(number))))
            top1.append(line)
    return bytes_, top1


def _trainings(precisions: Sequence[str], models: Sequence[str], asked: argparse.Namespace) -> Iterator[Line]:
    """What is trained, seed by seed: a command that was interrupted has whole seeds."""
    for seed in range(asked.seeds):
        for model in models:
            epochs = asked.epochs if model == "ctrgcn" else 0
            for precision in precisions:
                yield {"precision": precision, "model": model, "epochs": epochs, "seed": seed}


def bytes_table(lines: list[Line]) -> str:
    """A row for each precision: error and kilobytes a person by array, and the share of f2's and u1's."""
    names = list(lines[0]["kb"])
    totals = {line["precision"]: sum(line["kb"].values()) for line in lines}
    rows = [["precision", "error", *names, "all", "of f2", "of u1"], ["---"] * (len(names) + 5)]
    for line in lines:
        total = totals[line["precision"]]
        shares = [f"{total / totals[of]:.0%}" if of in totals else "" for of in ("f2", "u1")]
        sizes = [f"{line['kb'][name]:.2f}" for name in names]
        rows.append([line["precision"], f"{line['error']:.2%}", *sizes, f"{total:.1f}", *shares])
    return _markdown(rows)


def accuracy_table(lines: list[Line]) -> str:
    """A row for each precision: top-1 of each model and stream, and its difference to f2."""
    heads = [
        (model, stream) for model in dict.fromkeys(line["model"] for line in lines) for stream in STREAMS
    ]
    rows = [["precision", *(f"{model}, {stream.removeprefix('pooled_')}" for model, stream in heads)]]
    rows.append(["---"] * len(rows[0]))
    for precision in dict.fromkeys(line["precision"] for line in lines):
        cells = [precision]
        for model, stream in heads:
            values, whole = (_values(lines, of, model, stream) for of in (precision, "f2"))
            differences = [value - other for value, other in zip(values, whole, strict=True)]
            cells.append(_show(values) + (f" ({_show(differences, '+')})" if precision != "f2" else ""))
        rows.append(cells)
    return _markdown(rows)


def _values(lines: list[Line], precision: str, model: str, stream: str) -> list[float]:
    return [
        line["top1"][stream] for line in lines if (line["precision"], line["model"]) == (precision, model)
    ]


def _show(values: list[float], sign: str = "") -> str:
    """Mean and half width of its interval, in percent."""
    if len(values) < 2:
        return f"{100 * values[0]:{sign}.1f}"
    half = t_distribution.ppf(0.975, len(values) - 1) * stdev(values) / len(values) ** 0.5
    return f"{100 * mean(values):{sign}.1f} ± {100 * half:.1f}"


def _markdown(rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def report(bytes_: list[Line], top1: list[Line]) -> str:
    """The tables, and how long the trainings took where."""
    parts = [bytes_table(bytes_)]
    if top1:
        minutes = sum(line["seconds"] for line in top1) / 60
        machines = "; ".join(dict.fromkeys(line["machine"] for line in top1))
        work = f"{len(top1)} trainings of two streams, {minutes:.0f} min on {machines}."
        parts += [accuracy_table(top1), work]
    return "\n\n".join(parts)


def main() -> None:
    """Measure, print the tables, and put them into a page if one is named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("store", nargs="?", type=Path, default=DEMO_FOLDER / "features.zarr")
    parser.add_argument("--protocol", default="xsub")
    parser.add_argument("--models", default="linear,ctrgcn")
    parser.add_argument("--precisions", default=PRECISIONS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--folds", type=int, default=0)
    parser.add_argument("--fold-by")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path("work_dirs/precision.jsonl"))
    parser.add_argument("--page", type=Path)
    parser.add_argument("--block", default="precision_demo")
    asked = parser.parse_args()
    said = report(*measure(asked, Lines(asked.results), FeatureStore.open(asked.store)))
    print(said)
    if asked.page:
        asked.page.write_text(replace_block(asked.page.read_text(), asked.block, said))


if __name__ == "__main__":
    main()
