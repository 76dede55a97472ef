"""The end of a run: result arrays from the journal, the list of failures, and the mark."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from heatpool.pool.disk.atomic import OnStep
from heatpool.pool.disk.files import (
    flush_all,
    flush_tree,
    folders_above,
    move_files,
    scratch_folder,
    write_atomic,
)
from heatpool.pool.records import Status
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.store.index import IndexReader, create_results
from heatpool.pool.store.journal import merge_results
from heatpool.pool.store.layout import FINISHED, Layout

__all__ = ["FAILURES", "Derived", "derive", "finish_store"]

FAILURES = "failures.csv"


@dataclass(frozen=True)
class Derived:
    """What follows from the journal.

    Attributes:
        arrays: (N,) results by name.
        failures: content of `failures.csv`.
        mark: content of `finished.json`.
    """

    arrays: Mapping[str, np.ndarray]
    failures: bytes
    mark: bytes


def derive(source: Source, layout: Layout) -> Derived:
    """Read the whole journal.

    Raises:
        HeatpoolError: if the index cannot be read.
    """
    found = merge_results(source, layout)
    status = found.arrays["status"]
    counts = {each.name.lower(): int((status == each).sum()) for each in Status}
    facts: dict[str, Any] = {"clips": counts, "journal_sha256": found.digest}
    if found.versions:
        facts["versions"] = found.versions
    mark = json.dumps(facts).encode() + b"\n"
    return Derived(found.arrays, _failures_csv(source, layout, status, found.reasons), mark)


def finish_store(root: Path, layout: Layout, *, on_step: OnStep) -> None:
    """Write what follows from the journal; each file is replaced atomically, the mark comes last.

    Raises:
        HeatpoolError: if the index cannot be read.
        OSError: if the disk refuses.
    """
    (root / FINISHED).unlink(missing_ok=True)
    with scratch_folder(root, "finish") as aside:
        derived = derive(FolderSource(root), layout)
        group = zarr.create_group(aside, zarr_format=3)
        create_results(group, derived.arrays, separator=layout.separator)
        flush_tree(aside)
        for name in derived.arrays:
            move_files(aside, root, layout.index_keys(name))
            on_step(f"finish: replaced {name}")
        keys = (key for name in derived.arrays for key in layout.index_keys(name))
        flush_all(folders_above((root / key for key in keys), root))
        write_atomic(root / FAILURES, derived.failures, temp_folder=aside)
        on_step("finish: wrote failures.csv")
        write_atomic(root / FINISHED, derived.mark, temp_folder=aside)
        on_step("finish: marked")


def _failures_csv(source: Source, layout: Layout, status: np.ndarray, reasons: Mapping[int, str]) -> bytes:
    """Clips to look at, with their reason. `no_person` is listed, though it is not a failure."""
    rows = np.flatnonzero(np.isin(status, (Status.FAILED, Status.TRUNCATED, Status.NO_PERSON)))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("clip_id", "path", "status", "message"))
    if rows.size:
        index = IndexReader(source, layout)
        names = (index.strings("clip_id", rows), index.strings("path", rows))
        for row, clip_id, path in zip(rows.tolist(), *names, strict=True):
            table.writerow((clip_id, path, Status(status[row]).name.lower(), reasons.get(row, "")))
    return text.getvalue().encode(errors="backslashreplace")
