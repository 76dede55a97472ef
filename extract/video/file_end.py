"""Whether a file ends before its header says: then it is cut."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

__all__ = ["is_cut"]

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_ASF = bytes.fromhex("3026b275")
_ASF_PROPERTIES = bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365")
_FLV_SIZE = b"\0\x08filesize\0"
_HEAD = 1 << 16  # bytes in which headers state the size of the file


def is_cut(path: Path) -> bool | None:
    """Compare the size that an AVI, Matroska, WebM, ASF (WMV) or FLV file states with the one it has.

    Returns:
        None for other files, and where the writer left the size open.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        kind = file.read(4)
        if kind == b"RIFF":
            ends = _riff_end(file, size)
        elif kind == _EBML:
            ends = _segment_end(file)
        elif kind == _ASF:
            ends = _asf_end(file.read(_HEAD))
        elif kind[:3] == b"FLV":
            ends = _flv_end(file.read(_HEAD))
        else:
            return None
    return None if ends is None else ends > size


def _riff_end(file: BinaryIO, size: int) -> int | None:
    """Return where the last RIFF chunk ends: an AVI of more than 1 GiB has several."""
    at = 0
    while at < size:
        file.seek(at)
        kind, length = file.read(4), int.from_bytes(file.read(4), "little")
        if kind != b"RIFF":
            break
        if length in (0, 0xFFFFFFFF):  # written to a pipe, or never ended
            return None
        at += 8 + length
        if at < size:
            at += length % 2
    return at


def _segment_end(file: BinaryIO) -> int | None:
    """Return where the Segment behind the EBML header ends (RFC 8794, RFC 9559)."""
    header = _length(file)
    if header is None:
        return None
    file.seek(header, 1)
    if file.read(4) != _SEGMENT:
        return None
    length = _length(file)
    return None if length is None else file.tell() + length


def _asf_end(head: bytes) -> int | None:
    """Return the size in the file properties (ASF specification, section 3.2); 0 was written to a pipe."""
    at = head.find(_ASF_PROPERTIES)
    size, flags = head[at + 40 : at + 48], head[at + 88 : at + 92]
    broadcast = not flags or flags[0] & 1  # a size that means nothing
    return None if at < 0 or broadcast else int.from_bytes(size, "little") or None


def _flv_end(head: bytes) -> int | None:
    """Return the size that many writers put into `onMetaData`; 0 was written to a pipe."""
    at = head.find(_FLV_SIZE)
    stated = head[at + len(_FLV_SIZE) :][:8]
    if at < 0 or len(stated) < 8:
        return None
    size: float = struct.unpack(">d", stated)[0]
    return int(size) if 0 < size < 2**53 else None


def _length(file: BinaryIO) -> int | None:
    """Read a variable-size integer; None for one of ones only, which means unknown."""
    first = (file.read(1) or b"\0")[0]
    more = 8 - first.bit_length()
    if more > 7:
        return None
    bits = 7 * (more + 1)
    value = int.from_bytes(bytes([first]) + file.read(more), "big") & ((1 << bits) - 1)
    return None if value == (1 << bits) - 1 else value
