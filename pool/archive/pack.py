"""Packing a store into one file, checking every byte of it, and unpacking it. Format: docs/archives.md."""

from __future__ import annotations

import hashlib
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISLNK
from typing import BinaryIO

from heatpool.pool.archive.card import store_card
from heatpool.pool.disk.atomic import atomic_file, atomic_folder, refuse_existing
from heatpool.pool.disk.files import list_files
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive import ArchiveSource
from heatpool.pool.sources.archive_format import (
    CARD,
    MANIFEST,
    Member,
    ZipLayout,
    is_store_file,
    manifest_bytes,
)
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.create import replace_store
from heatpool.pool.store.digests import recorded_files
from heatpool.pool.store.layout import FINISHED
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import derived_problems

__all__ = ["MAX_CARD_BYTES", "Packed", "pack", "unpack", "verify"]

MAX_CARD_BYTES = 1 << 20
_CHUNK = 1 << 22
_LEFT_OUT = ("run.json",)  # facts of one machine: paths, speed
_LEFTOVERS = (".tmp-", ".lock")


@dataclass(frozen=True)
class Packed:
    """What an archive is.

    Attributes:
        path: the file or URL.
        size: bytes.
        members: files of the store in it, the card included.
        digest: SHA-256 (hex) of its manifest, which names every member by SHA-256: the archive's identity.
    """

    path: str
    size: int
    members: int
    digest: str


def pack(
    store: str | Path | FeatureStore, out: str | Path, *, card: str | None = None, overwrite: bool = False
) -> Packed:
    """Write a finished store into one archive; the same store and card give the same bytes.

    Args:
        store: the store or its folder.
        out: file to write, by custom .hpz; it appears whole or not at all.
        card: text of the data card, kept as README.md; default: the card of the store, else a draft.
        overwrite: replace an existing file.

    Raises:
        HeatpoolError: if the store is unfinished or damaged or holds files that are none of its own, `out`
            exists, or the disk refuses.
    """
    refuse_existing(out, overwrite)
    opened = store if isinstance(store, FeatureStore) else FeatureStore.open(FolderSource(Path(store)))
    root = opened.path
    if not (root / FINISHED).exists():
        raise HeatpoolError(f"{root}: expected a finished store; finish it with heatpool extract … --resume")
    text = (store_card(opened) if card is None else card).encode()
    if len(text) > MAX_CARD_BYTES:
        raise HeatpoolError(f"expected a data card of at most {MAX_CARD_BYTES:,} bytes, got {len(text):,}")
    for problem in derived_problems(opened.source, opened.layout):
        raise HeatpoolError(f"{root}: damaged, {problem}; `heatpool verify` says more")
    recorded = recorded_files(opened.source)
    files = [Member(CARD, len(text)), *_store_files(root)]
    first = Member(MANIFEST, len(manifest_bytes([replace(each, sha256="0" * 64) for each in files])))
    with atomic_file(out, overwrite) as aside:
        packed = _write(aside, [first, *files], root=root, card=text, recorded=recorded)
    return replace(packed, path=str(out))


def _store_files(root: Path) -> list[Member]:
    """Files of a store folder in archive order.

    Raises:
        HeatpoolError: if something in it is no file of a store.
    """
    members = []
    for key in list_files(root, skip=_LEFTOVERS):
        if key in (*_LEFT_OUT, CARD):
            continue
        status = os.lstat(root / key)
        if S_ISLNK(status.st_mode) or not is_store_file(key):
            raise HeatpoolError(f"{root / key}: not a file of the store; move it away, then pack again")
        members.append(Member(key, status.st_size))
    return sorted(members, key=lambda member: member.name)


def _write(
    path: Path,
    members: list[Member],
    *,
    root: Path,
    card: bytes,
    recorded: Mapping[str, tuple[int, str]],
) -> Packed:
    """Copy all contents to their places; then, with the digests known, fill in manifest and headers."""
    layout = ZipLayout(members)
    full = list(members)
    with path.open("xb") as out:
        for number, member in enumerate(members[1:], start=1):
            out.seek(layout.starts[number])
            if member.name == CARD:
                out.write(card)
                digest, crc32 = hashlib.sha256(card).hexdigest(), zlib.crc32(card)
            else:
                digest, crc32 = _copy(root / member.name, out, member.size)
            full[number] = replace(member, sha256=digest, crc32=crc32)
        _compare(str(root), full, recorded)
        manifest = manifest_bytes(full[1:])
        full[0] = replace(full[0], crc32=zlib.crc32(manifest))
        out.seek(layout.starts[0])
        out.write(manifest)
        for position, piece in ZipLayout(full).frame():
            out.seek(position)
            out.write(piece)
    return Packed("", layout.size, len(full) - 1, hashlib.sha256(manifest).hexdigest())


def _copy(path: Path, out: BinaryIO, size: int) -> tuple[str, int]:
    """Append a file to `out`; returns its SHA-256 and CRC-32. Raises HeatpoolError if its size changed."""
    digest, crc32, count = hashlib.sha256(), 0, 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            crc32 = zlib.crc32(chunk, crc32)
            count += len(chunk)
            if count > size:
                break
            out.write(chunk)
    if count != size:
        raise HeatpoolError(f"{path}: changed while it was packed; pack again when nobody writes the store")
    return digest.hexdigest(), crc32


def _compare(name: str, members: Sequence[Member], recorded: Mapping[str, tuple[int, str]]) -> None:
    """Raise HeatpoolError unless every file that the store recorded is there as it was written."""
    found = {member.name: (member.size, member.sha256) for member in members}
    for key, mark in recorded.items():
        if found.get(key) != mark:
            what = "is missing" if key not in found else "changed since it was written"
            raise HeatpoolError(f"{name}: damaged, {key} {what}; `heatpool verify` says more")


def verify(archive: ArchiveSource) -> Packed:
    """Read every byte of an archive and compare it with what its manifest demands.

    Raises:
        HeatpoolError: if a single bit differs; the line names what is damaged.
    """
    damaged = [member.name for member, intact in _check(archive) if not intact]
    if damaged:
        names = ", ".join(damaged[:4]) + (f" and {len(damaged) - 4} more" if len(damaged) > 4 else "")
        raise HeatpoolError(f"{archive.name}: damaged: {names}; get the archive again")
    _compare(archive.name, archive.members, recorded_files(archive))
    return Packed(archive.name, archive.layout.size, len(archive.members), archive.digest)


def unpack(archive: ArchiveSource, out: str | Path, *, overwrite: bool = False) -> Packed:
    """Unpack an archive into a new store folder, checking every byte on the way.

    Args:
        archive: opened archive.
        out: folder to make; it appears once all is written and found intact.
        overwrite: replace an existing heatpool store (and nothing else) at `out`.

    Raises:
        HeatpoolError: if `out` exists and is not to be replaced, the archive is damaged, of another version
            or holds what is not part of a store, or the disk is full.
    """
    with replace_store(Path(out), overwrite=overwrite):
        FeatureStore.open(archive)  # another version is refused before anything is written
        with atomic_folder(out, overwrite) as aside:
            free = shutil.disk_usage(aside).free
            if archive.layout.size > free:
                raise HeatpoolError(
                    f"{out}: expected {archive.layout.size:,} bytes of free disk, got {free:,}"
                )
            for member, intact in _check(archive, into=aside):
                if not intact:
                    raise HeatpoolError(f"{archive.name}: damaged: {member.name}; get the archive again")
    return Packed(str(out), archive.layout.size, len(archive.members), archive.digest)


def _check(archive: ArchiveSource, *, into: Path | None = None) -> Iterator[tuple[Member, bool]]:
    """Go through all members and tell of each whether it is intact; then check all that lies between them.

    Args:
        archive: opened archive.
        into: folder to write them to.
    """
    full, all_intact = list(archive.layout.members), True
    for number, member in enumerate(full[1:], start=1):
        digest, crc32 = hashlib.sha256(), 0
        start = archive.layout.starts[number]
        with _new_file(into, member.name) as file:
            for at in range(start, start + member.size, _CHUNK):
                chunk = archive.file.read(at, min(at + _CHUNK, start + member.size))
                digest.update(chunk)
                crc32 = zlib.crc32(chunk, crc32)
                file.write(chunk)
        full[number] = replace(member, crc32=crc32)
        intact = digest.hexdigest() == member.sha256
        all_intact = all_intact and intact
        yield member, intact
    if not all_intact:
        return  # which tells more than that the checksums in the headers differ too
    for position, piece in ZipLayout(full).frame():
        if archive.file.read(position, position + len(piece)) != piece:
            raise HeatpoolError(
                f"{archive.name}: refused, the zip structure at byte {position} is not what the manifest "
                "demands (damaged, or a member is compressed, encrypted, linked, renamed or repeated)"
            )


def _new_file(folder: Path | None, name: str) -> BinaryIO:
    if folder is None:
        return open(os.devnull, "wb")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.open("xb")
