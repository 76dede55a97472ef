"""H.264 whose fields are packets of their own: camcorders (AVCHD) and broadcasts code some pictures so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Fields"]

_SLICE, _IDR_SLICE, _SPS, _PPS = 1, 5, 7, 8
# Profiles whose parameter sets tell sampling, depth and scaling lists (ITU-T H.264, section 7.3.2.1.1).
_HIGH = {100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135}
_HEADER = 512  # bytes of a unit that are looked at, in which parameter sets end
_SLICE_HEADER = 32


class _Sequence(NamedTuple):
    """What a sequence parameter set says of slice headers."""

    frame_bits: int
    planes: bool
    frames_only: bool


class _Field(NamedTuple):
    frame: int
    bottom: int


class Fields:
    """Tells which packets are the second field of the picture before: a decoder gives one frame for both.

    Args:
        extradata: of the stream; length-prefixed units where it begins with 1, as in MP4, else start codes.

    Attributes:
        begins_whole: whether nothing can refer to what came before the first picture; None before that.
    """

    def __init__(self, extradata: bytes) -> None:
        self._prefix = (extradata[4] & 3) + 1 if extradata[:1] == b"\1" and len(extradata) > 6 else 0
        self._sequences: dict[int, _Sequence] = {}
        self._pictures: dict[int, int] = {}  # sequence of each picture parameter set
        self._first: _Field | None = None
        self.begins_whole: bool | None = None
        for unit in _sets(extradata) if self._prefix else _units(extradata, 0):
            self._learn(unit)

    def is_second(self, packet: bytes) -> bool:
        """Return whether a packet completes the picture of the one before; packets are told in order."""
        field = self._field(packet)
        second = (
            field is not None
            and self._first is not None
            and (field.frame, field.bottom) == (self._first.frame, 1 - self._first.bottom)
        )
        self._first = None if second else field
        return second

    def _field(self, packet: bytes) -> _Field | None:
        """Return which field a packet is; None if it is a frame, or nothing that can be told."""
        for unit in _units(packet, self._prefix):
            if unit[0] & 31 in (_SLICE, _IDR_SLICE):
                if self.begins_whole is None:
                    self.begins_whole = unit[0] & 31 == _IDR_SLICE
                if all(sequence.frames_only for sequence in self._sequences.values()):
                    return None
                try:
                    return self._of_slice(_Bits(unit[1:_SLICE_HEADER]))
                except (IndexError, KeyError):
                    return None
            self._learn(unit)
        return None

    def _of_slice(self, bits: _Bits) -> _Field | None:
        bits.skip_golombs(2)
        sequence = self._sequences[self._pictures[bits.golomb()]]
        bits.skip(2 * sequence.planes)
        frame = bits.take(sequence.frame_bits)
        if sequence.frames_only or not bits.take(1):
            return None
        return _Field(frame, bits.take(1))

    def _learn(self, unit: bytes) -> None:
        bits = _Bits(unit[1:])
        try:
            if unit[0] & 31 == _SPS:
                profile = bits.take(8)
                bits.skip(16)
                number = bits.golomb()
                self._sequences[number] = _sequence(bits, high=profile in _HIGH)
            elif unit[0] & 31 == _PPS:
                number = bits.golomb()
                self._pictures[number] = bits.golomb()
        except IndexError:
            return


def _sequence(bits: _Bits, *, high: bool) -> _Sequence:
    chroma = bits.golomb() if high else 1
    planes = bool(chroma == 3 and bits.take(1))
    if high:
        bits.skip_golombs(2)
        bits.skip(1)
        if bits.take(1):
            for number in range(12 if chroma == 3 else 8):
                if bits.take(1):
                    _pass_scaling_list(bits, 16 if number < 6 else 64)
    frame_bits = bits.golomb() + 4
    kind = bits.golomb()
    if kind == 0:
        bits.golomb()
    elif kind == 1:
        bits.skip(1)
        bits.skip_golombs(2)
        bits.skip_golombs(bits.golomb())
    bits.skip_golombs(1)
    bits.skip(1)
    bits.skip_golombs(2)
    return _Sequence(frame_bits, planes, bool(bits.take(1)))


def _pass_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            code = bits.golomb()
            following = (last + ((code + 1) // 2 if code % 2 else -(code // 2))) % 256
        last = following or last


def _sets(extradata: bytes) -> Iterator[bytes]:
    """Yield the parameter sets of an AVC configuration (ISO/IEC 14496-15, section 5.3.3)."""
    at = 5
    for mask in (31, 255):
        count, at = extradata[at] & mask if at < len(extradata) else 0, at + 1
        for _ in range(count):
            size = int.from_bytes(extradata[at : at + 2], "big")
            if unit := extradata[at + 2 : at + 2 + size]:
                yield unit
            at += 2 + size


def _units(data: bytes, prefix: int) -> Iterator[bytes]:
    """Yield the heads of a packet's units, behind lengths of so many bytes or, with 0, behind start codes."""
    if prefix:
        at = 0
        while at + prefix < len(data):
            size = int.from_bytes(data[at : at + prefix], "big")
            at += prefix
            if size:
                yield data[at : at + min(size, _HEADER)]
            at += size
        return
    at = data.find(b"\0\0\1")
    while 0 <= at < len(data) - 3:
        following = data.find(b"\0\0\1", at + 3)
        if unit := data[at + 3 : following if following >= 0 else None][:_HEADER]:
            yield unit
        at = following


class _Bits:
    """Bits of a unit, in order; IndexError behind the last."""

    def __init__(self, data: bytes) -> None:
        plain = data.replace(b"\0\0\3", b"\0\0")  # section 7.4.1.1
        self._bits = "".join(f"{byte:08b}" for byte in plain)
        self._at = 0

    def skip(self, count: int) -> None:
        self._at += count

    def take(self, count: int) -> int:
        if self._at + count > len(self._bits):
            raise IndexError
        self._at += count
        return int(self._bits[self._at - count : self._at] or "0", 2)

    def golomb(self) -> int:
        """Read an Exp-Golomb number (section 9.1)."""
        zeros = self._bits.index("1", self._at) - self._at if "1" in self._bits[self._at :] else 33
        if zeros > 32:
            raise IndexError
        self.skip(zeros)
        return self.take(zeros + 1) - 1

    def skip_golombs(self, count: int) -> None:
        for _ in range(count):
            self.golomb()
