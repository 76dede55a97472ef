"""`index.json`: marks of the files that are written once, when a store is made.

These are the metadata of all arrays and the index arrays (ids, labels, splits, columns). Shards have
their own marks in the journal. The digest of the index lets a resume compare ten million clips with
the manifest without reading the index back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.sealed_json import FileMark, files_from_json, files_to_json, seal, unseal
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.layout import RESULT_DTYPES

__all__ = ["CREATION", "CreationRecord", "digest_index"]

CREATION = "index.json"
_BLOCK = 65_536


@dataclass(frozen=True)
class CreationRecord:
    """What a store looked like when it was made.

    Attributes:
        index_sha256: `digest_index` of its index.
        shard_clips: clips per shard.
        code_version: heatpool version that made it.
        files: size in bytes and SHA-256 (hex) by path relative to the root.
    """

    index_sha256: str
    shard_clips: int
    code_version: str
    files: Mapping[str, FileMark]

    @classmethod
    def of(cls, root: Path, *, index: ClipIndex, shard_clips: int, code_version: str) -> CreationRecord:
        """Record of a store that was just made in the folder `root`: hashes every file."""
        files = {key: hash_file(root / key) for key in sorted(_created_files(root))}
        return cls(digest_index(index), shard_clips, code_version, files)

    def to_bytes(self) -> bytes:
        """The record as one line of JSON, with `sha256` over all the rest."""
        return seal(
            {
                "index_sha256": self.index_sha256,
                "shard_clips": self.shard_clips,
                "code_version": self.code_version,
                "files": files_to_json(self.files),
            }
        )

    @classmethod
    def read(cls, source: Source) -> CreationRecord | None:
        """The record of a store, None when it has none.

        Raises:
            HeatpoolError: if the record is damaged.
        """
        data = source.read(CREATION)
        if data is None:
            return None
        try:
            body = unseal(data)
            files = files_from_json(body["files"])
            return cls(body["index_sha256"], body["shard_clips"], body["code_version"], files)
        except (ValueError, KeyError, TypeError) as error:
            raise HeatpoolError(f"{source.name}: damaged, unreadable {CREATION} ({error})") from error


def digest_index(index: ClipIndex) -> str:
    """SHA-256 (hex) of everything in an index, as docs/format.md specifies it."""
    digest = hashlib.sha256()
    for name, values in _fields(index):
        digest.update(json.dumps([name, len(values)]).encode() + b"\n")
        for first in range(0, len(values), _BLOCK):
            block = values[first : first + _BLOCK]
            plain = block.tolist() if isinstance(block, np.ndarray) else list(block)
            digest.update(json.dumps(plain, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()


def _fields(index: ClipIndex) -> Iterator[tuple[str, Sequence[str] | np.ndarray]]:
    yield from (("clip_id", index.clip_id), ("path", index.path))
    yield from (("label", index.label), ("class_names", index.class_names))
    for kind, fields in (("column", index.columns), ("split", index.splits)):
        for name in sorted(fields):
            yield f"{kind} {name}", fields[name]


def _created_files(root: Path) -> Iterator[str]:
    """Keys of the files that stay as they are made: all but chunks of arrays that `finish` replaces."""
    for path in root.rglob("*"):
        key = path.relative_to(root).as_posix()
        if path.is_file() and not (path.parent.name in RESULT_DTYPES and path.name != "zarr.json"):
            yield key
