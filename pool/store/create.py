"""Making a store on disk: declared arrays, the index, and the checksum record of both (`index.json`).

`index.json` records the files that are written once, when a store is made: the metadata of all arrays
and the index arrays (ids, labels, splits, columns). Shards have their own records in the journal. The
digest of the index lets a resume compare ten million clips with the manifest without reading the index
back.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from heatpool.pool.disk.atomic import OnStep, refuse_existing
from heatpool.pool.disk.checksum_record import (
    Checksum,
    dump_record,
    files_from_json,
    files_to_json,
    parse_record,
)
from heatpool.pool.disk.files import hash_file
from heatpool.pool.disk.locks import Lock, LockedError
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.store.arrays import create_feature_array
from heatpool.pool.store.attributes import read_root
from heatpool.pool.store.index import create_index, create_results
from heatpool.pool.store.layout import JOURNAL, RESULT_DTYPES, Layout

__all__ = ["CREATION", "CreationRecord", "digest_index", "fill_new", "lock_store", "replace_store"]

CREATION = "index.json"
_BLOCK = 65_536
_LOCK = ".lock-writer"


def lock_store(root: Path) -> Lock:
    """The lock of whoever makes, resumes or finishes a store.

    Raises:
        LockedError: if somebody alive holds it.
        OSError: if the disk refuses.
    """
    return Lock.acquire(root / _LOCK, what=str(root))


@contextmanager
def replace_store(root: Path, *, overwrite: bool, resumable: bool = False) -> Iterator[None]:
    """A block in which a store may be put at `root`: nothing is there, or what nobody writes meanwhile.

    Raises:
        HeatpoolError: if something is there that may not be replaced (what is no store never is), or a
            store that is being written.
    """
    refuse_existing(root, overwrite, resumable=resumable)
    if not os.path.lexists(root):
        yield
        return
    try:
        if root.is_symlink() or not root.is_dir() or any(root.iterdir()):
            read_root(FolderSource(root), any_version=True)
        lock = lock_store(root)
    except LockedError:
        raise
    except HeatpoolError as error:
        raise HeatpoolError(f"--overwrite replaces heatpool feature stores only: {error}") from error
    except OSError as error:
        raise HeatpoolError(f"{root}: cannot be replaced ({error.strerror})") from error
    with lock:
        yield


def fill_new(
    root: Path, layout: Layout, *, attributes: Mapping[str, Any], index: ClipIndex, on_step: OnStep
) -> None:
    """Write everything that a store holds before its first shard into the empty folder `root`.

    Raises:
        HeatpoolError: if a name in the index cannot be stored.
        OSError: if the disk refuses.
    """
    group = zarr.create_group(root, zarr_format=3, attributes=dict(attributes))
    for spec in layout.stored.values():
        create_feature_array(
            group, spec, clips=layout.clips, shard_clips=layout.shard_clips, separator=layout.separator
        )
    on_step("create: declared features")
    create_index(group, index, separator=layout.separator)
    results = {name: np.zeros(layout.clips, dtype) for name, dtype in RESULT_DTYPES.items()}
    create_results(group, results, separator=layout.separator)
    on_step("create: wrote the index")
    with warnings.catch_warnings():
        # Consolidated metadata lets readers open the store with one read. zarr notes that it is
        # not in the v3 core document; readers that do not know it ignore it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(str(root))
    record = CreationRecord.of(
        root,
        index=index,
        shard_clips=layout.shard_clips,
        code_version=attributes["code_version"],
        versions=attributes.get("versions", {}),
        format_version=layout.version,
    )
    (root / CREATION).write_bytes(record.to_bytes())
    (root / JOURNAL).mkdir()
    on_step("create: recorded")


@dataclass(frozen=True)
class CreationRecord:
    """What a store looked like when it was made.

    Attributes:
        index_sha256: `digest_index` of its index.
        shard_clips: clips per shard.
        code_version: heatpool version that made it.
        files: size in bytes and SHA-256 (hex) by path relative to the root.
        versions: the root attribute of that name, empty where there is none.
        format_version: of the store's format.
    """

    index_sha256: str
    shard_clips: int
    code_version: str
    files: Mapping[str, Checksum]
    versions: Mapping[str, Sequence[str]]
    format_version: int

    @classmethod
    def of(
        cls,
        root: Path,
        *,
        index: ClipIndex,
        shard_clips: int,
        code_version: str,
        versions: Mapping[str, Sequence[str]],
        format_version: int,
    ) -> CreationRecord:
        """Record of a store that was just made in the folder `root`: hashes every file."""
        files = {key: hash_file(root / key) for key in sorted(_created_files(root))}
        return cls(digest_index(index), shard_clips, code_version, files, versions, format_version)

    def to_bytes(self) -> bytes:
        """The record as one line of JSON, with `sha256` over all the rest."""
        return dump_record(
            {
                "index_sha256": self.index_sha256,
                "shard_clips": self.shard_clips,
                "code_version": self.code_version,
                "files": files_to_json(self.files),
                **({"versions": dict(self.versions)} if self.versions else {}),
                **({"version": self.format_version} if self.format_version > 1 else {}),
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
            body = parse_record(data)
            files = files_from_json(body["files"])
            head = body["index_sha256"], body["shard_clips"], body["code_version"]
            return cls(*head, files, body.get("versions", {}), body.get("version", 1))
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
        if path.is_file() and not (key.partition("/")[0] in RESULT_DTYPES and path.name != "zarr.json"):
            yield key
