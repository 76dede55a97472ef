"""Finding what is damaged or missing in a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from heatpool.pool.disk.files import list_files
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive_format import CARD
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.sources.locate import find_source
from heatpool.pool.store.attributes import read_layout
from heatpool.pool.store.create import CREATION, CreationRecord
from heatpool.pool.store.finish import FAILURES, derive
from heatpool.pool.store.index import IndexReader
from heatpool.pool.store.journal import examine_shard, record_key, recorded_shards
from heatpool.pool.store.layout import FINISHED, JOURNAL, RESULT_DTYPES, Layout

__all__ = [
    "BESIDE",
    "Check",
    "Problem",
    "StoreReport",
    "damaged_creation",
    "derived_problems",
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


def verify_store(
    location: str | Path | Source, *, on_shard: Callable[[], None] = lambda: None
) -> StoreReport:
    """Compare every file of a store with its recorded SHA-256, and the result arrays with the journal.

    Args:
        location: of the store: a folder, an address, or its `Source`.
        on_shard: called after each shard that has a record.

    Raises:
        HeatpoolError: if there is no store of this version there, or it cannot be reached.
    """
    source = find_source(location) if isinstance(location, str | Path) else location
    layout = read_layout(source)
    problems = [Problem(text) for text in _creation_problems(source)]
    recorded = recorded_shards(source, layout)
    if source.keys(JOURNAL) is None:  # nobody can list a web server: each record is asked for
        recorded = [shard for shard in recorded if source.size(record_key(shard)) is not None]
    for shard, texts in _examine(source, layout, recorded, check="hashes"):
        problems += [Problem(text, shard, layout.rows(shard)) for text in texts]
        on_shard()
    if source.size(FINISHED) is not None:
        problems += [Problem(text) for text in derived_problems(source, layout)]
    else:
        problems.append(Problem(f"{FINISHED} is missing: the run did not come to its end"))
    pending = tuple(sorted(set(range(layout.shards)) - set(recorded)))
    known = _known_files(source, layout)
    if isinstance(source, FolderSource):  # locks and what writers keep aside have names that begin with a dot
        found = set(list_files(source.path, skip=(".",)))
    else:  # nobody can list a web server, and an archive holds nothing else
        found = {key for key in known if source.size(key) is not None}
    return StoreReport(layout, tuple(problems), pending, tuple(sorted(found - known)), len(found & known))


def incomplete_shards(root: Path, layout: Layout, *, check: Check) -> list[int]:
    """Shards to be written, in order: without a record, or not as their record says.

    Looks only at shards that have a record: a store of ten million clips of which few are done is
    planned by one look into the journal's folder.
    """
    recorded = recorded_shards(FolderSource(root), layout)
    intact = set(recorded)
    if check != "journal":
        examined = _examine(FolderSource(root), layout, recorded, check=check)
        intact -= {shard for shard, texts in examined if texts}
    return [shard for shard in range(layout.shards) if shard not in intact]


def damaged_creation(source: Source, record: CreationRecord, *, check: Check) -> list[str]:
    """Keys of the files made at creation that are gone or not as recorded."""
    if check == "journal":
        return []
    wrong = []
    for key, (size, digest) in record.files.items():
        if source.size(key) != size or (check == "hashes" and not _has_digest(source, key, digest)):
            wrong.append(key)
    return wrong


def _has_digest(source: Source, key: str, digest: str) -> bool:
    try:
        return source.file_digest(key) == digest
    except OSError:  # a bad sector
        return False


def _examine(
    source: Source, layout: Layout, shards: Iterable[int], *, check: Check
) -> Iterator[tuple[int, list[str]]]:
    digest = source.file_digest if check == "hashes" else None
    with ThreadPoolExecutor(_THREADS) as pool:  # hashing and waiting for the disk let other threads run
        yield from pool.map(
            lambda shard: (shard, examine_shard(source, layout, shard, digest=digest)), shards
        )


def _creation_problems(source: Source) -> list[str]:
    try:
        record = CreationRecord.read(source)
    except HeatpoolError as error:
        return [str(error)]
    if record is None:
        return [f"{CREATION} is missing"]
    return [
        f"{key} is {'missing' if source.size(key) is None else 'changed'}"
        for key in damaged_creation(source, record, check="hashes")
    ]


def derived_problems(source: Source, layout: Layout) -> Iterator[str]:
    """What is wrong, by the journal, with the files that follow from it; nothing if they are as it says."""
    try:
        derived = derive(source, layout)
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


def _known_files(source: Source, layout: Layout) -> set[str]:
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
