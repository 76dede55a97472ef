"""What pooled features are worth where objects decide: the tables of docs/objects.md.

Usage: python -m benchmarks.objects [--network NAME=OPTIONS] [--heads mlp] [--folds 5] [--seeds 3]
           [--steps 16] [--rows ROWS] [--work FOLDER] [--page docs/objects.md] [--block objects]

Renders the demo set whose classes differ by objects or by motion, extracts it with each network and trains
each head on each kind of features by `heatpool ablate --folds --fold-by subject --divide-by kinds.csv`. What
is there already in FOLDER is taken, and the same line goes on where it was. Prints Markdown; with --page it
replaces the block there.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.blocks import write_measured
from benchmarks.real import Trained, describe, extract, train
from heatpool.extract.demo.dataset import KINDS, DemoSpec, render_demo
from heatpool.pipelines.process.device import available_cores
from heatpool.pool.store.reader import FeatureStore

_NETWORK = "tiny=--backend tiny --detector tiny"


def table(trained: Trained) -> Iterator[str]:
    """Yield the lines of a table: a row for each kind of features, columns for each kind of classes."""
    lines = trained.about["table"]
    parts = lines[0]["parts"]
    heads = [
        f"{part} classes, {figures['clips']} clips | minus {lines[0]['features']}"
        for part, figures in parts.items()
    ]
    yield f"| features | kB a clip | {' | '.join(heads)} |"
    yield f"|---|---|{'---|---|' * len(parts)}"
    for line in lines:
        cells = [cell for figures in line["parts"].values() for cell in _cells(figures)]
        yield f"| {line['features']} | {line['bytes_a_clip'] / 1000:.1f} | {' | '.join(cells)} |"


def _cells(figures: Mapping[str, Any]) -> tuple[str, str]:
    top1 = figures["acc/top1"]
    low, high = (100 * end for end in top1["interval"])
    mean = f"{100 * top1['mean']:.1f} ± {100 * top1['std']:.1f} ({low:.1f} to {high:.1f})"
    if "difference" not in figures:
        return mean, ""
    low, high = (100 * end for end in figures["difference"]["interval"])
    return mean, f"{100 * figures['difference']['value']:+.1f} ({low:+.1f} to {high:+.1f})"


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--network", action="append", default=[], help=f"NAME=OPTIONS; default {_NETWORK}")
    parser.add_argument("--heads", default="mlp")
    parser.add_argument("--rows", default="", help="kinds of features, with commas; default all")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=16, help="of a clip of two seconds")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("work_dirs/objects"))
    parser.add_argument("--page", type=Path, help="replace the block of this page")
    parser.add_argument("--block", default="objects", help="name of that block")
    return parser.parse_args(words)


def main() -> None:
    """Run from the command line."""
    options = read_options()
    clips = render_demo(DemoSpec.objects(), options.work / "demo", workers=available_cores())
    options.fold_by, options.divide_by = "subject", str(clips.with_name(KINDS))
    parts = []
    for network in options.network or [_NETWORK]:
        name, store = extract(clips, f"{network} --steps {options.steps}", options)
        parts.append(describe(FeatureStore.open(store), name))
        for head in options.heads.split(","):
            trained = train(store, head, options)
            about = trained.about
            parts.append(f"{head}; {about['split']}; {len(about['seeds'])} seeds.")
            parts.append("\n".join(table(trained)))
    block = "\n\n".join([f"    {shlex.join(['python', '-m', 'benchmarks.objects', *sys.argv[1:]])}", *parts])
    print(block)
    if options.page:
        write_measured(options.page, options.block, block)


if __name__ == "__main__":
    main()
