"""The bytes of a packed store (docs/archives.md): member names, the manifest, and the zip around them.

Every byte of an archive that is not a member's content follows from the list of members, so a reader
can compute it and compare: nothing can hide in headers, comments or gaps.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "CARD",
    "MANIFEST",
    "MAX_MANIFEST_BYTES",
    "Member",
    "ZipLayout",
    "is_store_file",
    "manifest_bytes",
    "parse_first_header",
    "parse_manifest",
]

MANIFEST, CARD = "MANIFEST.json", "README.md"
FORMAT, VERSIONS = "heatpool-archive", (1, 2)  # as that of the store in it, whose names differ
MAX_MANIFEST_BYTES = 1 << 30

_STORE_FILE = re.compile(
    r"zarr\.json|index\.json|finished\.json|failures\.csv|journal/[0-9]{7,12}\.json"
    r"|[A-Za-z0-9][A-Za-z0-9_-]{0,70}/(zarr\.json|c((\.[0-9]{1,12}){1,8}|(/[0-9]{1,12}){1,8}))"
)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY_ONE = (0, (0 << 9) | (1 << 5) | 1)  # time and date fields for 1980-01-01 00:00
_FULL16, _FULL32 = 0xFFFF, 0xFFFFFFFF


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes:
        name: path in the archive.
        size: bytes.
        sha256: hex digest of its content, "" while it is not known.
        crc32: of its content; the zip headers repeat it.
    """

    name: str
    size: int
    sha256: str = ""
    crc32: int = 0


def is_store_file(name: str) -> bool:
    """Whether a relative path can be a file of a store that belongs into an archive."""
    return _STORE_FILE.fullmatch(name) is not None


def manifest_bytes(members: Sequence[Member]) -> bytes:
    """The manifest of `members` (all but the manifest itself) as it is stored."""
    body = {
        "format": FORMAT,
        "version": 2 if any("/c/" in member.name for member in members) else 1,
        "members": {member.name: {"bytes": member.size, "sha256": member.sha256} for member in members},
    }
    return json.dumps(body, indent=1, sort_keys=True).encode() + b"\n"


def parse_manifest(data: bytes, *, name: str) -> list[Member]:
    """Members in archive order, the card first, without the manifest itself.

    Args:
        data: content of MANIFEST.json.
        name: of the archive, for messages.

    Raises:
        HeatpoolError: if it is not a manifest of this version exactly as `manifest_bytes` writes it, or
            names a member that cannot be a file of a store.
    """
    try:
        body = parse_json(data)
        kind, version = body["format"], body["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise HeatpoolError(
            f"{name}: damaged, {MANIFEST} is not readable ({type(error).__name__})"
        ) from error
    if kind != FORMAT or version not in VERSIONS:
        expected, got = " or ".join(map(str, VERSIONS)), f"{str(kind)[:40]} version {str(version)[:20]}"
        raise HeatpoolError(
            f"{name}: expected {FORMAT} version {expected}, got {got}; "
            "read it with the heatpool release that packed it"
        )
    try:
        members = [_member(each, mark) for each, mark in body["members"].items()]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise HeatpoolError(f"{name}: refused, {MANIFEST}: {error}") from error
    members.sort(key=_order)
    folded = {member.name.casefold() for member in members}
    if len(folded) < len(members):
        raise HeatpoolError(f"{name}: refused, two members have names that differ in case only")
    # The file pooled/c/0 would be the folder of pooled/c/0/0.
    depths = {(each.partition("/")[0], each.count("/")) for each in folded if "/c/" in each}
    if len({array for array, _ in depths}) < len(depths):
        raise HeatpoolError(f"{name}: refused, an array has members at two depths of folders")
    if CARD not in body["members"] or "zarr.json" not in body["members"]:
        raise HeatpoolError(f"{name}: refused, {MANIFEST} lacks {CARD} or zarr.json")
    if manifest_bytes(members) != data:
        raise HeatpoolError(f"{name}: damaged, {MANIFEST} is not written as heatpool writes it")
    return members


def _member(name: str, mark: Mapping[str, Any]) -> Member:
    if not (name == CARD or is_store_file(name)):
        raise ValueError(f"member {name[:80]!r} cannot be a file of a feature store")
    size, digest = mark["bytes"], mark["sha256"]
    if type(size) is not int or not 0 <= size < 1 << 62 or not _DIGEST.fullmatch(digest):
        raise ValueError(f"member {name} has no proper size and SHA-256")
    return Member(name, size, digest)


def _order(member: Member) -> tuple[bool, str]:
    return member.name != CARD, member.name


class ZipLayout:
    """Where everything lies in the zip file of some members, and what stands between them.

    Attributes:
        members: in file order.
        starts: position of each member's content.
        size: bytes of the whole file.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = tuple(members)
        heads = [len(_local_header(member)) for member in members]
        steps = [head + member.size for head, member in zip(heads, members, strict=True)]
        self._headers = [0, *accumulate(steps)]
        self.starts = [start + head for start, head in zip(self._headers, heads, strict=False)]
        self.size = self._headers[-1] + len(self._directory())

    def frame(self) -> list[tuple[int, bytes]]:
        """Position and bytes of all that is not content: a header a member, then the directory."""
        pieces = zip(self._headers, (*map(_local_header, self.members), self._directory()), strict=True)
        return list(pieces)

    def _directory(self) -> bytes:
        start = self._headers[-1]
        entries = b"".join(
            _central_header(member, at) for member, at in zip(self.members, self._headers, strict=False)
        )
        count, size = len(self.members), len(entries)
        large = b""
        if count >= _FULL16 or start >= _FULL32 or size >= _FULL32:
            # version made by (3 = Unix, 4.5), version needed, this disk, disk of the directory
            large = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 0x32D, 45, 0, 0, count, count, size, start)
            large += struct.pack("<4sLQL", b"PK\6\7", 0, start + size, 1)
        count, size, start = min(count, _FULL16), min(size, _FULL32), min(start, _FULL32)
        return entries + large + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, size, start, 0)


def _local_header(member: Member) -> bytes:
    """Header before a member's content: stored, no flags, dated 1980-01-01."""
    big = member.size >= _FULL32
    extra = struct.pack("<2H2Q", 1, 16, member.size, member.size) if big else b""
    size = _FULL32 if big else member.size
    name = member.name.encode("ascii")
    needed = 45 if big else 20
    fields = (needed, 0, 0, *_DAY_ONE, member.crc32, size, size, len(name), len(extra))
    return struct.pack("<4s5H3L2H", b"PK\3\4", *fields) + name + extra


def _central_header(member: Member, at: int) -> bytes:
    """Entry of the central directory: a plain file, mode 0644."""
    large = [member.size] * 2 if member.size >= _FULL32 else []
    large += [at] if at >= _FULL32 else []
    extra = struct.pack(f"<2H{len(large)}Q", 1, 8 * len(large), *large) if large else b""
    size = min(member.size, _FULL32)
    name = member.name.encode("ascii")
    needed = 45 if large else 20
    fields = (0x300 | needed, needed, 0, 0, *_DAY_ONE, member.crc32, size, size, len(name), len(extra))
    rest = (0, 0, 0, 0o100644 << 16, min(at, _FULL32))  # comment, disk, inner and outer attributes, header
    return struct.pack("<4s6H3L5H2L", b"PK\1\2", *fields, *rest) + name + extra


def parse_first_header(data: bytes) -> Member | None:
    """The member that an archive must begin with, MANIFEST.json, from its first bytes; None for others."""
    head = struct.Struct("<14xLL")
    if len(data) < head.size:
        return None
    crc32, size = head.unpack_from(data)
    member = Member(MANIFEST, size, crc32=crc32)
    return member if data.startswith(_local_header(member)) else None
