"""The journal: one record per finished shard, written last, which makes the shard count.

A shard is finished when its record is whole (the record carries its own SHA-256) and every file
that it names is there with the recorded size. Everything else is pending.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pool.errors import HeatpoolError
from pool.files import hash_file
from pool.layout import FEATURE_NAMES, JOURNAL, RESULT_DTYPES, Layout
from pool.records import ClipResult

__all__ = ["ShardError", "ShardRecord", "check_shard", "finished_shards", "merge_results", "record_path"]

_RESULT_FIELDS = (*RESULT_DTYPES, "message")


class ShardError(HeatpoolError):
    """A shard is pending or damaged; the text says why."""


@dataclass(frozen=True)
class ShardRecord:
    """Outcome of one shard.

    Attributes:
        shard: number of the shard.
        first_clip: row of its first clip.
        files: size in bytes and SHA-256 (hex) of each of its files, by path relative to the root.
        results: outcome of each clip in row order, as one list per `ClipResult` field.
        code_version: heatpool version that wrote it.
    """

    shard: int
    first_clip: int
    files: Mapping[str, tuple[int, str]]
    results: Mapping[str, list]
    code_version: str

    @classmethod
    def of(
        cls,
        layout: Layout,
        shard: int,
        *,
        files: Mapping[str, tuple[int, str]],
        results: Sequence[ClipResult],
        code_version: str,
    ) -> ShardRecord:
        """Record of a shard that was just written."""
        columns = {name: [getattr(result, name) for result in results] for name in _RESULT_FIELDS}
        return cls(shard, layout.rows(shard).start, files, columns, code_version)

    def to_bytes(self) -> bytes:
        """The record as one line of JSON, with `sha256` over all the rest."""
        body = {
            "shard": self.shard,
            "first_clip": self.first_clip,
            "code_version": self.code_version,
            "files": {name: {"bytes": size, "sha256": sha} for name, (size, sha) in self.files.items()},
            "results": dict(self.results),
        }
        return _canonical(body | {"sha256": hashlib.sha256(_canonical(body)).hexdigest()})

    @classmethod
    def from_bytes(cls, data: bytes) -> ShardRecord:
        """Parse `to_bytes` output.

        Raises:
            ValueError: if the record is cut, altered or of another form.
        """
        body = json.loads(data)
        if not isinstance(body, dict):
            raise ValueError(f"expected a JSON object, got {type(body).__name__}")
        digest = body.pop("sha256", None)
        if digest != hashlib.sha256(_canonical(body)).hexdigest():
            raise ValueError("the checksum does not fit")
        files = {name: (mark["bytes"], mark["sha256"]) for name, mark in body["files"].items()}
        return cls(body["shard"], body["first_clip"], files, body["results"], body["code_version"])


def _canonical(body: Mapping[str, Any]) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def record_path(root: Path, shard: int) -> Path:
    """Where the record of a shard lies."""
    return root / JOURNAL / f"{shard:07d}.json"


def check_shard(root: Path, layout: Layout, shard: int, *, verify: bool = False) -> ShardRecord:
    """The record of a shard, once record and files are found to agree.

    Args:
        root: folder of the store.
        layout: sizes of the store.
        shard: number of the shard.
        verify: read every file and compare its SHA-256 too, not only its size.

    Raises:
        ShardError: if the record is missing or damaged, or a file is missing or not as recorded.
    """
    path = record_path(root, shard)
    rows = layout.rows(shard)
    try:
        record = ShardRecord.from_bytes(path.read_bytes())
        counts = {len(record.results[name]) for name in _RESULT_FIELDS}
    except FileNotFoundError:
        raise ShardError(f"shard {shard} is pending") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"shard {shard}: unreadable record {path.name} ({error})") from error
    if (record.shard, record.first_clip, counts) != (shard, rows.start, {len(rows)}):
        raise ShardError(f"shard {shard}: record {path.name} belongs to another shard")
    for name in FEATURE_NAMES:
        _check_file(root, layout.shard_key(name, shard), record, verify=verify)
    return record


def _check_file(root: Path, key: str, record: ShardRecord, *, verify: bool) -> None:
    """Raise ShardError unless the file `key` is as recorded (no record: no file, all values are fill)."""
    try:
        found = os.stat(root / key).st_size
    except FileNotFoundError:
        found = None
    size, digest = record.files.get(key, (None, ""))
    if found != size:
        expected, got = (f"{n} bytes" if n is not None else "no file" for n in (size, found))
        raise ShardError(f"shard {record.shard}: expected {key} of {expected}, got {got}")
    if verify and size is not None and hash_file(root / key)[1] != digest:
        raise ShardError(f"shard {record.shard}: the bytes of {key} changed since they were written")


def finished_shards(root: Path, layout: Layout, *, verify: bool = False) -> Iterator[ShardRecord]:
    """Records of all finished shards in order. Looks only at shards that have a record.

    Raises:
        HeatpoolError: if the journal folder is gone.
    """
    try:
        with os.scandir(root / JOURNAL) as entries:
            stems = [entry.name.removesuffix(".json") for entry in entries]
    except OSError as error:
        raise HeatpoolError(f"{root}: cannot read the journal folder ({error.strerror})") from error
    for shard in sorted(int(stem) for stem in stems if stem.isdigit()):
        if shard < layout.shards:
            try:
                yield check_shard(root, layout, shard, verify=verify)
            except ShardError:
                continue  # pending: the caller asked for finished ones only


def merge_results(root: Path, layout: Layout) -> tuple[dict[str, np.ndarray], dict[int, str]]:
    """Per-clip result arrays (N,) by name, from the journal, and the messages by row."""
    arrays = {name: np.zeros(layout.clips, dtype) for name, dtype in RESULT_DTYPES.items()}
    messages: dict[int, str] = {}
    for record in finished_shards(root, layout):
        rows = layout.rows(record.shard)
        for name, array in arrays.items():
            array[rows.start : rows.stop] = record.results[name]
        said = zip(rows, record.results["message"], strict=True)
        messages |= {row: message for row, message in said if message}
    return arrays, messages
