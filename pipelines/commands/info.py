"""`heatpool info`: what a feature store holds, for people."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import TextIO

import numpy as np

from heatpool.pipelines.options.info import InfoOptions
from heatpool.pool.disk.atomic import atomic_file, refuse_existing
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.summary import StoreSummary, summarise_store

__all__ = ["describe", "run", "write_table"]

_BLOCK_CLIPS = 65_536
_MOST_CLASSES = 16


def run(options: InfoOptions) -> int:
    """Print what a store holds, or write its clips as a table.

    Raises:
        HeatpoolError: if there is no store of this version, or the table cannot be written.
    """
    if options.csv is not None:
        refuse_existing(options.csv, options.overwrite)
    store = FeatureStore.open(options.store)
    if options.csv is None:
        print(describe(summarise_store(store)))
        return 0
    with (
        atomic_file(options.csv, options.overwrite) as aside,
        aside.open("w", newline="", encoding="utf-8") as file,
    ):
        write_table(store, file)
    return 0


def write_table(store: FeatureStore, file: TextIO) -> None:
    """Write `ClipTable.table` as CSV, a block of clips at a time, so that any store fits in memory."""
    table = csv.writer(file, lineterminator="\n")
    for first in range(0, max(len(store), 1), _BLOCK_CLIPS):
        columns = store.clips.table(np.arange(first, min(first + _BLOCK_CLIPS, len(store))))
        if first == 0:
            table.writerow(columns)
        table.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))


def describe(summary: StoreSummary) -> str:
    """Return a summary as aligned lines."""
    usable, has_pooled = max(summary.usable, 1), "pooled" in summary.held
    fewest, mean, most = summary.frames or (0, 0.0, 0)
    each = ", ".join(f"{name} {size / usable:,.0f}" for name, size in summary.bytes_by_array.items())
    lines = {
        "store": summary.name,
        "clips": f"{summary.clips}: {_counts(summary.statuses)}",
        "keypoints": "" if has_pooled else f"(N, M, T, V) = {summary.shape[:4]}, no pooled features",
        "pooled": f"(N, M, T, V, C) = {summary.shape}, precision {summary.precision}" if has_pooled else "",
        "persons": _counts({f"with {count}": found for count, found in summary.persons.items()}),
        "frames": f"{fewest} to {most}, mean {mean:.0f}" if summary.frames else "",
        "classes": f"{len(summary.class_names)}: {summary.name_classes(_MOST_CLASSES)}",
        "unlabelled": f"{summary.unlabelled} clips" if summary.unlabelled else "",
        **{f"split {name}": _counts(summary.split_sizes(name)) for name in summary.splits},
        "error": summary.precision_meaning,
        "bytes": f"{summary.total_bytes:,}",
        "bytes per clip": f"{summary.clip_bytes:,.0f} ({each})",
    }
    lines = {name: text for name, text in lines.items() if text}
    lines |= {name: text or "not stated" for name, text in summary.provenance.items()}
    width = max(map(len, lines)) + 2
    return "\n".join(f"{name:<{width}}{text}" for name, text in lines.items())


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
