"""The journal: one record per finished shard, written last, which makes the shard count.

A shard is finished when its record is whole (the record carries its own SHA-256) and every file
that it names is there with the recorded size. Everything else is pending.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from heatpool.pool.disk.checksum_record import (
    Checksum,
    dump_record,
    files_from_json,
    files_to_json,
    parse_record,
)
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipResult, Status
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.index_rules import check_results
from heatpool.pool.store.layout import JOURNAL, RESULT_DTYPES, Layout
from heatpool.pool.store.versions import Versions, join_versions, parse_versions

__all__ = [
    "JournalResults",
    "ShardError",
    "ShardRecord",
    "check_shard",
    "digest_journal",
    "examine_shard",
    "merge_results",
    "read_record",
    "read_records",
    "record_key",
    "recorded_shards",
]

_RESULT_KEYS = (*RESULT_DTYPES, "message")  # in the order of `ClipResult`; `message` is its reason


class ShardError(HeatpoolError):
    """A shard is pending or damaged; the text says why."""


@dataclass(frozen=True)
class ShardRecord:
    """Outcome of one shard.

    Attributes:
        shard: number of the shard.
        first_clip: row of its first clip.
        files: size in bytes and SHA-256 (hex) of each of its files, by path relative to the root.
        results: outcome of each clip in row order: one list for each result array, and `message`.
        code_version: heatpool version that wrote it.
        versions: of the packages that made it, those that are not as the store's attributes say.
    """

    shard: int
    first_clip: int
    files: Mapping[str, Checksum]
    results: Mapping[str, list[Any]]
    code_version: str
    versions: Versions = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        layout: Layout,
        shard: int,
        *,
        files: Mapping[str, Checksum],
        results: Sequence[ClipResult],
        code_version: str,
        versions: Versions,
    ) -> ShardRecord:
        """Record of a shard that was just written."""
        columns = {name: [getattr(result, name) for result in results] for name in RESULT_DTYPES}
        columns["message"] = [result.reason for result in results]
        return cls(shard, layout.rows(shard).start, files, columns, code_version, versions)

    def to_bytes(self) -> bytes:
        """The record as one line of JSON, with `sha256` over all the rest."""
        return dump_record(
            {
                "shard": self.shard,
                "first_clip": self.first_clip,
                "code_version": self.code_version,
                "files": files_to_json(self.files),
                "results": dict(self.results),
                **({"versions": dict(self.versions)} if self.versions else {}),
            }
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> ShardRecord:
        """Parse `to_bytes` output.

        Raises:
            ValueError: if the record is cut, altered or of another form.
        """
        body = parse_record(data)
        files = files_from_json(body["files"])
        head, versions = (body["shard"], body["first_clip"]), parse_versions(body.get("versions", {}))
        return cls(*head, files, body["results"], body["code_version"], versions)

    def clip_results(self) -> list[ClipResult]:
        """Outcome of each clip in row order."""
        columns = (self.results[key] for key in _RESULT_KEYS)
        return [ClipResult(Status(status), *rest) for status, *rest in zip(*columns, strict=True)]


def record_key(shard: int) -> str:
    """Path of the record of a shard, relative to the store's root."""
    return f"{JOURNAL}/{shard:07d}.json"


def recorded_shards(source: Source, layout: Layout) -> list[int]:
    """Shards that have a record, intact or not, in order. Lists the journal's folder and nothing else.

    Where no folder can be listed any shard may have one: all shards are returned.
    """
    names = source.keys(JOURNAL)
    if names is None:
        return list(range(layout.shards))
    stems = (name.removesuffix(".json") for name in names)
    return sorted(shard for stem in stems if stem.isdigit() and (shard := int(stem)) < layout.shards)


def read_record(source: Source, layout: Layout, shard: int) -> ShardRecord | None:
    """The record of a shard, None when it has none.

    Raises:
        ShardError: if the record is damaged.
    """
    key, rows = record_key(shard), layout.rows(shard)
    data = source.read(key)
    if data is None:
        return None
    try:
        record = ShardRecord.from_bytes(data)
        (count,) = {len(record.results[key]) for key in _RESULT_KEYS}
        for name in RESULT_DTYPES:
            check_results(name, np.array(record.results[name]), persons=layout.persons)
        if not all(isinstance(each, str) for each in record.results["message"]):
            raise ValueError("a reason is no text")
    except (ValueError, KeyError, TypeError) as error:
        raise ShardError(f"shard {shard}: unreadable record {key} ({error})") from error
    # The last shard is filled when the store grows: who read its layout before finds more results than rows.
    most = layout.shard_clips if shard == layout.shards - 1 else len(rows)
    if (record.shard, record.first_clip) != (shard, rows.start) or not len(rows) <= count <= most:
        raise ShardError(f"shard {shard}: record {key} belongs to another shard")
    return record


def read_records(source: Source, layout: Layout) -> Iterator[ShardRecord]:
    """The intact records in order; whether their files are there is not looked at."""
    for shard in recorded_shards(source, layout):
        try:
            record = read_record(source, layout, shard)
        except ShardError:
            continue  # pending: the caller asked for finished ones
        if record is not None:
            yield record


def examine_shard(
    source: Source, layout: Layout, shard: int, *, digest: Callable[[str], str] | None = None
) -> list[str]:
    """What is wrong with a shard that has a record, one line each; nothing when it is finished.

    Args:
        source: files of the store.
        layout: sizes of the store.
        shard: number of the shard.
        digest: gives the SHA-256 (hex) of the file at a key; None to compare sizes only.
    """
    try:
        record = read_record(source, layout, shard)
    except ShardError as error:
        return [str(error)]
    if record is None:
        return [f"shard {shard} is pending"]
    wrong = []
    # All keys of the layout, not those of the record: a file that nobody recorded is of another write.
    for key in (layout.shard_key(name, shard) for name in layout.stored):
        found = source.size(key)
        size, expected = record.files.get(key, (None, ""))
        if found != size:
            want, got = (f"{n} bytes" if n is not None else "no file" for n in (size, found))
            wrong.append(f"shard {shard}: expected {key} of {want}, got {got}")
        elif digest is not None and size is not None:
            try:
                if digest(key) != expected:
                    wrong.append(f"shard {shard}: the bytes of {key} changed since they were written")
            except OSError as error:  # a bad sector
                wrong.append(f"shard {shard}: cannot read {key} ({error.strerror})")
    return wrong


def check_shard(source: Source, layout: Layout, shard: int) -> None:
    """Raise ShardError unless the shard's record is intact and its files are there in their sizes."""
    wrong = examine_shard(source, layout, shard)
    if wrong:
        raise ShardError(wrong[0])


@dataclass(frozen=True, eq=False)
class JournalResults:
    """What a journal holds in all.

    Attributes:
        arrays: (N,) results by name.
        reasons: by row, of the clips that have one.
        versions: of packages that a shard was made by and the store's attributes do not say.
        digest: of the records.
    """

    arrays: Mapping[str, np.ndarray]
    reasons: Mapping[int, str]
    versions: Versions
    digest: str


def merge_results(source: Source, layout: Layout) -> JournalResults:
    """Gather the results of all finished shards."""
    arrays = {name: np.zeros(layout.clips, dtype) for name, dtype in RESULT_DTYPES.items()}
    reasons: dict[int, str] = {}
    versions: Versions = {}

    def merged() -> Iterator[ShardRecord]:
        nonlocal versions
        for record in read_records(source, layout):
            versions = join_versions(versions, record.versions)
            rows = layout.rows(record.shard)
            for name, array in arrays.items():
                array[rows.start : rows.stop] = record.results[name][: len(rows)]
            of_shard = zip(rows, record.results["message"], strict=False)
            reasons.update({row: reason for row, reason in of_shard if reason})
            yield record

    digest = digest_journal(merged())
    return JournalResults(arrays, reasons, versions, digest)


def digest_journal(records: Iterator[ShardRecord]) -> str:
    """SHA-256 (hex) of the records one after the other: what the finished shards hold."""
    digest = hashlib.sha256()
    for record in records:
        digest.update(record.to_bytes())
    return digest.hexdigest()
