"""What a store holds, in one number, and the recorded hashes that it follows from."""

from __future__ import annotations

import hashlib

from heatpool.pool.disk.checksum_record import Checksum
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.attributes import read_layout
from heatpool.pool.store.create import CREATION, CreationRecord
from heatpool.pool.store.journal import digest_journal, read_records
from heatpool.pool.store.layout import FINISHED

__all__ = ["recorded_files", "store_digest"]


def store_digest(source: Source) -> str:
    """SHA-256 (hex) that changes when anything in a store changes: metadata, index, features or results.

    Two stores have the same digest if they have the same bytes (machine facts in `run.json` aside),
    wherever they lie. Reads no feature file.

    Raises:
        HeatpoolError: if there is no store of this version.
    """
    layout = read_layout(source)
    digest = hashlib.sha256()
    for key in ("zarr.json", CREATION):
        digest.update(hashlib.sha256(source.read(key) or b"").digest())
    journal = _finished_digest(source) or digest_journal(read_records(source, layout))
    digest.update(journal.encode())
    return digest.hexdigest()


def recorded_files(source: Source) -> dict[str, Checksum]:
    """Size in bytes and SHA-256 (hex) of every file that a store's records name, by path.

    Not among them are the records themselves and what follows from the journal: result arrays,
    `failures.csv` and `finished.json`.

    Raises:
        HeatpoolError: if there is no store of this version, or `index.json` is damaged.
    """
    layout = read_layout(source)
    creation = CreationRecord.read(source)
    files = dict(creation.files) if creation else {}
    for record in read_records(source, layout):
        files |= record.files
    return files


def _finished_digest(source: Source) -> str:
    """The journal's digest as `finish` left it, "" when shards were written since."""
    try:
        return str(parse_json(source.read(FINISHED) or b"{}").get("journal_sha256", ""))
    except (ValueError, AttributeError):
        return ""
