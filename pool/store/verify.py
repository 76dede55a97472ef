"""Finding what is damaged or missing in a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive_format import CARD
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import layout_from_attributes, read_root
from heatpool.pool.store.create import CREATION, CreationRecord
from heatpool.pool.store.finish import FAILURES, derive
from heatpool.pool.store.index import IndexReader
from heatpool.pool.store.journal import examine_shard, record_key, recorded_shards
from heatpool.pool.store.layout import FINISHED, RESULT_DTYPES, Layout

__all__ = [
    "BESIDE",
    "Check",
    "Problem",
    "StoreReport",
    "damaged_creation",
    "incomplete_shards",
    "verify_store",
]

Check = Literal["hashes", "sizes", "journal"]
"""How closely finished shards are looked at: all bytes are read and hashed; records are read and files
asked for their sizes; or a shard counts as finished because it has a record."""

BESIDE = ("run.json", CARD)
"""What may lie in stores and is no part of the format: facts of the machine that extracted, a data card."""
_THREADS = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong.

    Attributes:
        text: what, in one line.
        shard: the shard it is in; None for files of the whole store.
        rows: clips concerned, empty for files of the whole store.
    """

    text: str
    shard: int | None = None
    rows: range = range(0)


@dataclass(frozen=True)
class StoreReport:
    """What a look at every file of a store found.

    Attributes:
        layout: sizes of the store.
        problems: damage, file by file.
        pending: shards without a record: not written yet, or their record is gone.
        unexpected: files that belong to nothing; readers ignore them.
        files: number of files that were compared.
    """

    layout: Layout
    problems: tuple[Problem, ...]
    pending: tuple[int, ...]
    unexpected: tuple[str, ...]
    files: int

    @property
    def intact(self) -> bool:
        """Whether nothing is damaged and nothing is missing."""
        return not self.problems and not self.pending


def verify_store(path: str | Path, *, on_shard: Callable[[], None] = lambda: None) -> StoreReport:
    """Compare every file of a store with its recorded SHA-256, and the result arrays with the journal.

    Args:
        path: folder of the store.
        on_shard: called after each shard that has a record.

    Raises:
        HeatpoolError: if there is no store of this version at `path`.
    """
    root = Path(path)
    source = FolderSource(root)
    layout = layout_from_attributes(read_root(source))
    problems = [Problem(text) for text in _creation_problems(root)]
    recorded = recorded_shards(source, layout)
    for shard, texts in _examine(root, layout, recorded, check="hashes"):
        problems += [Problem(text, shard, layout.rows(shard)) for text in texts]
        on_shard()
    if (root / FINISHED).exists():
        problems += [Problem(text) for text in _derived_problems(root, layout)]
    else:
        problems.append(Problem(f"{FINISHED} is missing: the run did not come to its end"))
    pending = tuple(sorted(set(range(layout.shards)) - set(recorded)))
    known, found = _known_files(source, layout), set(_list_files(root))
    return StoreReport(layout, tuple(problems), pending, tuple(sorted(found - known)), len(found & known))


def incomplete_shards(root: Path, layout: Layout, *, check: Check) -> list[int]:
    """Shards to be written, in order: without a record, or not as their record says.

    Looks only at shards that have a record: a store of ten million clips of which few are done is
    planned by one look into the journal's folder.
    """
    recorded = recorded_shards(FolderSource(root), layout)
    intact = set(recorded)
    if check != "journal":
        intact -= {shard for shard, texts in _examine(root, layout, recorded, check=check) if texts}
    return [shard for shard in range(layout.shards) if shard not in intact]


def damaged_creation(root: Path, record: CreationRecord, *, check: Check) -> list[str]:
    """Keys of the files made at creation that are gone or not as recorded."""
    if check == "journal":
        return []
    source = FolderSource(root)
    wrong = []
    for key, (size, digest) in record.files.items():
        if source.size(key) != size or (check == "hashes" and not _has_digest(root / key, digest)):
            wrong.append(key)
    return wrong


def _has_digest(path: Path, digest: str) -> bool:
    try:
        return hash_file(path)[1] == digest
    except OSError:  # a bad sector
        return False


def _examine(
    root: Path, layout: Layout, shards: Iterable[int], *, check: Check
) -> Iterator[tuple[int, list[str]]]:
    source = FolderSource(root)
    digest = (lambda key: hash_file(root / key)[1]) if check == "hashes" else None
    with ThreadPoolExecutor(_THREADS) as pool:  # hashing and waiting for the disk let other threads run
        yield from pool.map(
            lambda shard: (shard, examine_shard(source, layout, shard, digest=digest)), shards
        )


def _creation_problems(root: Path) -> list[str]:
    try:
        record = CreationRecord.read(FolderSource(root))
    except HeatpoolError as error:
        return [str(error)]
    if record is None:
        return [f"{CREATION} is missing"]
    return [
        f"{key} is {'changed' if (root / key).exists() else 'missing'}"
        for key in damaged_creation(root, record, check="hashes")
    ]


def _derived_problems(root: Path, layout: Layout) -> Iterator[str]:
    """What the journal says against the files that follow from it."""
    source = FolderSource(root)
    try:
        derived = derive(root, layout)
        index = IndexReader(source, layout)
    except (HeatpoolError, ValueError, OSError) as error:
        yield f"cannot compare the results with the journal ({error})"
        return
    different = []
    for name, values in derived.arrays.items():
        try:
            if not np.array_equal(index.array(name), values):
                different.append(f"array {name}")
        except HeatpoolError as error:
            yield str(error)
    written = {FAILURES: derived.failures, FINISHED: derived.mark}
    different += [key for key, data in written.items() if source.read(key) != data]
    if different:
        yield f"not as the journal says: {', '.join(different)}"


def _known_files(source: FolderSource, layout: Layout) -> set[str]:
    """Keys of all files that a store of this layout may hold."""
    known = {CREATION, FAILURES, FINISHED, *BESIDE}
    try:
        record = CreationRecord.read(source)
    except HeatpoolError:
        record = None
    known |= set(record.files) if record else set()
    known.update(*(layout.index_keys(name) for name in RESULT_DTYPES))
    for shard in range(layout.shards):
        known |= {record_key(shard), *(layout.shard_key(name, shard) for name in layout.stored)}
    return known


def _list_files(root: Path, below: str = "") -> Iterator[str]:
    """Keys of all files but locks and what writers keep aside, whose names begin with a dot."""
    with os.scandir(root / below) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _list_files(root, f"{below}{entry.name}/")
            else:
                yield below + entry.name
