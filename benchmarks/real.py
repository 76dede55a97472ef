"""What features are worth on real people: folds, seeds, heads and networks; the tables of docs/real.md.

Usage: python -m benchmarks.real CLIPS.csv... --fold-by subject [--network NAME=OPTIONS] [--network …]
           [--heads linear,mlp,tcn] [--rows ROWS] [--folds 5] [--seeds 3] [--work FOLDER]
           [--page PAGE] [--block real]

Each manifest goes through each network by `heatpool extract --map-mean`, and each store through each head
by `heatpool ablate --folds`. OPTIONS of a network are those of extract, such as
`--backend yolo-pose --weights yolo11n-pose.pt --tap p3,p4,p5`. A store that is there already is taken:
FOLDER/<manifest>-<NAME>.zarr. Interrupted, the same line goes on where it was. Prints Markdown; with --page
it replaces the block there.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.blocks import write_measured
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore

_PROGRAM = [sys.executable, "-c", "import sys; from heatpool.pipelines.cli import main; sys.exit(main())"]
_NETWORK = "yolo11n-pose=--backend yolo-pose --weights yolo11n-pose.pt --tap p3,p4,p5"


@dataclass(frozen=True)
class Trained:
    """A store whose kinds of features one head was trained on.

    Attributes:
        head: its name.
        about: of `ablation.json`.
        seconds: to train on all folds once, by name of the row.
    """

    head: str
    about: Mapping[str, Any]
    seconds: Mapping[str, float]


def heatpool(*words: object, made: Path) -> None:
    """Run a command; go on with what it has begun."""
    line = [*map(str, words), *(["--resume"] if made.exists() else [])]
    print(shlex.join(["heatpool", *line]), file=sys.stderr, flush=True)
    code = subprocess.run([*_PROGRAM, *line], stdout=sys.stderr, check=False).returncode
    if code not in (0, 3):  # 3: some clips gave no features, and the rest did
        raise SystemExit(f"stopped with exit code {code}; the same command goes on from here")


def extract(manifest: Path, network: str, options: argparse.Namespace) -> tuple[str, Path]:
    """Return the name of a network, given as NAME=OPTIONS, and its store of a manifest's clips."""
    name, _, words = network.partition("=")
    store = options.work / f"{manifest.stem}-{name}.zarr"
    given = [*shlex.split(words), "--map-mean", "--threads", options.threads]
    if not (store / "zarr.json").is_file():
        options.work.mkdir(parents=True, exist_ok=True)
    heatpool("extract", manifest, store, *given, made=store)
    return name, store


def train(store: Path, head: str, options: argparse.Namespace) -> Trained:
    """Train a head on every kind of features of a store, fold by fold."""
    out = store.with_name(f"{store.stem}-{head}")
    words = ["--folds", options.folds, "--seeds", options.seeds, "--threads", options.threads]
    words += ["--fold-by", options.fold_by] if options.fold_by else []
    words += ["--rows", options.rows] if options.rows else []
    words += ["--divide-by", options.divide_by] if options.divide_by else []
    heatpool("ablate", store, "--out", out, "--model", head, *words, "--quiet", made=out)
    about = json.loads((out / "ablation.json").read_text(encoding="utf-8"))
    seconds = {
        row: mean(
            json.loads((out / row / f"seed_{seed}" / "result.json").read_text(encoding="utf-8"))["seconds"]
            for seed in about["seeds"]
        )
        for row in about["rows"]
    }
    return Trained(head, about, seconds)


def describe(store: FeatureStore, network: str) -> str:
    """Return a line on what was extracted from what."""
    index, status = store.clips.index, store.clips.status
    usable = int((status == Status.OK).sum() + (status == Status.TRUNCATED).sum())
    spec = store.spec
    return (
        f"**{network}**: {usable} of {len(store)} clips of {len(index.class_names)} classes "
        f"({', '.join(index.class_names[:8])}) have features; taps {spec.tap.replace('+', ', ')}, "
        f"{spec.channels} channels, {spec.persons} persons x {spec.steps} steps x {spec.joints} joints."
    )


def table(of_heads: Sequence[Trained]) -> Iterator[str]:
    """Yield the lines of a store's table: a row for each kind of features, a column for each head."""
    first = of_heads[0].about["table"]
    heads = [each.head for each in of_heads]
    yield f"| features | kB a clip | {' | '.join(heads)} | s to train: {', '.join(heads)} |"
    yield f"|---|---|{'---|' * len(heads)}---|"
    for number, line in enumerate(first):
        cells = [_cell(each.about["table"][number]) for each in of_heads]
        seconds = ", ".join(f"{each.seconds[line['name']]:.0f}" for each in of_heads)
        size = f"{line['bytes_a_clip'] / 1000:.1f}"
        yield f"| {line['features']} | {size} | {' | '.join(cells)} | {seconds} |"


def _cell(line: Mapping[str, Any]) -> str:
    """Accuracy over seeds, the folds' range, and the difference from the first row."""
    top1, folds = line["acc/top1"], line["folds"]
    low, high = 100 * min(folds), 100 * max(folds)
    text = f"{100 * top1['mean']:.1f} ± {100 * top1['std']:.1f} [{low:.0f} to {high:.0f}]"
    if "difference" not in line:
        return text
    low, high = (100 * end for end in line["difference"]["interval"])
    return f"{text}, {100 * line['difference']['value']:+.1f} ({low:+.1f} to {high:+.1f})"


def read_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("manifests", type=Path, nargs="+")
    parser.add_argument("--network", action="append", default=[], help=f"NAME=OPTIONS; default {_NETWORK}")
    parser.add_argument("--fold-by", default="", help="column, such as subject; default as heatpool ablate")
    parser.add_argument("--heads", default="linear,mlp,tcn")
    parser.add_argument("--rows", default="", help="kinds of features, with commas; default all")
    parser.add_argument("--divide-by", default="", help="as heatpool ablate; in its ablation.md")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("work_dirs/real"))
    parser.add_argument("--page", type=Path, help="replace the block of this page")
    parser.add_argument("--block", default="real", help="name of that block")
    return parser.parse_args()


def main() -> None:
    """Run from the command line."""
    options = read_options()
    parts = []
    for manifest in options.manifests:
        parts.append(f"### {manifest.stem}")
        for network in options.network or [_NETWORK]:
            name, store = extract(manifest, network, options)
            trained = [train(store, head, options) for head in options.heads.split(",")]
            about = trained[0].about
            said = f"{about['split']}; {len(about['seeds'])} seeds; intervals: drawn by {about['by']}."
            parts += [describe(FeatureStore.open(store), name), said, "\n".join(table(trained))]
    block = "\n\n".join([f"    {shlex.join(['python', '-m', 'benchmarks.real', *sys.argv[1:]])}", *parts])
    print(block)
    if options.page:
        write_measured(options.page, options.block, block)


if __name__ == "__main__":
    main()
