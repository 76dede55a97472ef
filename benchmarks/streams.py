"""What streams made of the same features are worth, alone and fused: a table of docs/real.md.

Usage: python -m benchmarks.streams STORE... --fold-by subject [--streams STREAMS] [--heads mlp] [--folds 5]
           [--seeds 3] [--work FOLDER] [--page PAGE]

Trains each head on each stream by `heatpool train --folds`, once a seed, which fits the weights of their
fusion on each fold's val clips. Interrupted, the same line goes on where it was. Prints Markdown; with --page
it replaces the block there.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.blocks import write_measured
from benchmarks.real import heatpool
from heatpool.classify.scores.compare import compare_scores
from heatpool.classify.scores.metrics import evaluate_scores
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.pool.store.reader import FeatureStore

_BLOCK = "streams"
_STREAMS = "pooled_joint,pooled_bone,pooled_joint_motion,pooled_bone_motion"
_FUSED = "fused"


def train(store: Path, head: str, options: argparse.Namespace) -> dict[str, list[ClipScores]]:
    """Train a head on all streams with each seed; return scores of all folds by stream, one set a seed."""
    scores: dict[str, list[ClipScores]] = {}
    for seed in range(options.seeds):
        out = options.work / f"{store.stem}-{head}-streams-{seed}"
        words = ["--folds", options.folds, "--threads", options.threads, "--seed", seed, "--quiet"]
        words += ["--fold-by", options.fold_by] if options.fold_by else []
        heatpool(
            "train", store, "--out", out, "--model", head, "--streams", options.streams, *words, made=out
        )
        for name in [*options.streams.split(","), _FUSED]:
            scores.setdefault(name, []).append(load_scores(out / _folder(name) / "scores_test.npz"))
    return scores


def _folder(stream: str) -> str:
    return "" if stream == _FUSED else stream


def table(scores: dict[str, list[ClipScores]], groups: dict[str, str] | None) -> Iterator[str]:
    """Yield the lines of a table: top-1 of each stream over seeds, and the difference from the first."""
    first = next(iter(scores.values()))
    yield "| stream | top-1 | minus the first |"
    yield "|---|---|---|"
    for name, each in scores.items():
        top1 = [100 * evaluate_scores(of_seed).top1 for of_seed in each]
        cell = ""
        if each is not first:
            difference = compare_scores(first, each, groups=groups).differences["acc/top1"]
            low, high = (100 * end for end in difference.interval)
            cell = f"{100 * difference.value:+.1f} ({low:+.1f} to {high:+.1f})"
        spread = f" ± {np.std(top1, ddof=1):.1f}" if len(top1) > 1 else ""
        yield f"| {name} | {np.mean(top1):.1f}{spread} | {cell} |"


def read_options(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("stores", type=Path, nargs="+")
    parser.add_argument("--fold-by", default="", help="column, such as subject; default as heatpool train")
    parser.add_argument("--streams", default=_STREAMS)
    parser.add_argument("--heads", default="mlp")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("work_dirs/streams"))
    parser.add_argument("--page", type=Path, help="replace the block of this page")
    return parser.parse_args(words)


def main() -> None:
    """Run from the command line."""
    options = read_options()
    options.work.mkdir(parents=True, exist_ok=True)
    parts = []
    for place in options.stores:
        index = FeatureStore.open(place).clips.index
        column = index.columns.get(options.fold_by)
        groups = dict(zip(index.clip_id, column, strict=True)) if column is not None else None
        for head in options.heads.split(","):
            scores = train(place, head, options)
            parts.append(
                f"**{place.stem}**, {head}: {options.folds} folds by {options.fold_by or 'default'}, "
                f"{len(scores[_FUSED][0].clip_ids)} clips, each tested once; {options.seeds} seeds; "
                f"intervals: drawn by {options.fold_by or 'clip'}."
            )
            parts.append("\n".join(table(scores, groups)))
    block = "\n\n".join([f"    {shlex.join(['python', '-m', 'benchmarks.streams', *sys.argv[1:]])}", *parts])
    print(block)
    if options.page:
        write_measured(options.page, _BLOCK, block)


if __name__ == "__main__":
    main()
