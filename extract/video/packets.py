"""What the packets of a video file say: how many frames there are, and when they are shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.stream import VideoStream

from heatpool.extract.video.container import open_video
from heatpool.extract.video.fields import Fields
from heatpool.extract.video.file_end import is_cut
from heatpool.extract.video.transient import raise_transient

__all__ = ["PacketTable", "read_packets"]

_LONGEST_S = 7 * 86_400.0  # stamps that span more are taken for damage; windows and ticks are cut from them
_JUMP_S = 10.0  # a clock that jumps by more has been set anew, as FFmpeg's own tools have it
# Formats whose clock may be set anew; so it was if a key frame is stamped earlier by more, seconds, than the
# frame before it. In program streams few frames have a stamp, and FFmpeg is a little off for the others.
_BACK_S = {"mpegts": 0.0, "mpeg": 1.0, "ogg": 0.0}
_UNEVEN = 1.5  # a stated rate that is off by more than this factor is no mean: screen recordings
_HEAD = 32  # packets behind the first key frame, among which the leading pictures of any codec lie


class _Packet(NamedTuple):
    """Stamps of presentation and decoding, whether it is a key frame, whether it is meant to be shown."""

    pts: int | None
    dts: int | None
    key: bool
    shown: bool


@dataclass(frozen=True, eq=False)
class PacketTable:
    """What the packets of a whole file say.

    Attributes:
        header: frames that the header claims, 0 when it claims nothing.
        rate: mean frames per second, 0 when unknown.
        size_px: coded width and height.
        times_s: (frames,) float64, sorted presentation times from 0, of the frames that are shown.
        damage: why the file counts as cut or damaged; empty when it is whole.
        keys: stamp and frame number of each key frame, rising; empty for files without reliable stamps.
    """

    header: int
    rate: float
    size_px: tuple[int, int]
    times_s: np.ndarray
    damage: str
    keys: list[tuple[int, int]]


@lru_cache(maxsize=8)  # windows of one video follow each other: its packets are read once, not once a window
def read_packets(path: Path, state: tuple[int, int] | None) -> PacketTable:
    """Read all packets of a file; `state` (size, modification time) keeps changed files apart."""
    packets: list[_Packet] = []
    damage = ""
    with open_video(path) as (container, stream):
        header, listed = stream.frames, _listed(container, stream, path)
        kind, reordered = container.format.name, bool(stream.codec_context.has_b_frames)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        size = (stream.codec_context.width, stream.codec_context.height)
        start, base = stream.start_time or 0, stream.time_base
        fields = (
            Fields(stream.codec_context.extradata or b"") if stream.codec_context.name == "h264" else None
        )
        shows_nothing = _shows_nothing(stream, fields)
        try:
            for packet in container.demux(stream):
                if not packet.size:  # these only flush
                    continue
                # Discarded ones (an edit list's) are decoded but never shown.
                shown = not (shows_nothing(packet) or packet.is_discard)
                packets.append(_Packet(packet.pts, packet.dts, packet.is_keyframe, shown))
        except FFmpegError as error:
            raise_transient(error, path)
            damage = f"reading stopped after {len(packets)} frames: {error.strerror}"
    damage = damage or _missing(path, listed=listed, held=len(packets))
    torn = fields is not None and fields.begins_whole is False
    packets = _without_lost(path, packets, reordered=reordered, torn=torn)
    # AVI has decoding stamps only; without reordered frames they are the presentation stamps.
    stamps = [each.dts if each.pts is None else each.pts for each in packets]
    joined = _joined(packets, stamps, rate, base, _BACK_S[kind]) if kind in _BACK_S and base else stamps
    known = _distinct(joined)
    times_s = np.array([float((stamp - start) * base) for stamp in known] if base else [])
    if len(times_s) and times_s[-1] - times_s[0] > _LONGEST_S:
        damage = damage or f"the time stamps span {(times_s[-1] - times_s[0]) / 86_400:.0f} days"
        times_s = times_s[:0]
    if not len(times_s):
        even_s = np.arange(len(stamps)) / (rate if rate * _LONGEST_S > len(stamps) else 25.0)
        return PacketTable(header, rate, size, even_s, damage, [])
    # No frame is known by its stamp where FFmpeg made up those of reordered ones, or the clock was set anew.
    stamped = kind != "mpeg" and not (kind == "avi" and reordered) and joined == stamps
    keys = _keys(packets, by_dts=kind == "mpegts") if stamped else []
    return PacketTable(header, _mean_rate(rate, times_s), size, times_s, damage, keys)


def _keys(packets: list[_Packet], *, by_dts: bool) -> list[tuple[int, int]]:
    """Return where decoding may begin: the stamp to seek by, and the frame's number, of each key frame.

    None unless each frame has a stamp of its own, to be known by after a seek. In a transport stream a seek
    goes by the stamps of decoding, elsewhere by an index.
    """
    shown = sorted(each.pts for each in packets if each.pts is not None)
    if not len(set(shown)) == len(shown) == len(packets):
        return []
    numbers = {stamp: number for number, stamp in enumerate(shown)}
    places = ((each.dts if by_dts else each.pts, each.pts) for each in packets if each.key)
    return sorted((place, numbers[pts]) for place, pts in places if place is not None and pts is not None)


def _mean_rate(stated: float, times_s: np.ndarray) -> float:
    """Return the stated rate, or the mean of the stamps where the stated one is a clock's, or a guess."""
    span_s = times_s[-1] - times_s[0]
    mean = float((len(times_s) - 1) / span_s) if span_s > 0 else 0.0
    return stated if not mean or mean / _UNEVEN < stated < mean * _UNEVEN else mean


def _joined(
    packets: list[_Packet], stamps: list[int | None], rate: float, base: Fraction, back_s: float
) -> list[int | None]:
    """Let the stamps go on where the clock was set anew: behind a break, or in a recording that follows."""
    found: list[int | None] = []
    ahead, last = 0, None
    for packet, stamp in zip(packets, stamps, strict=True):
        at = packet.pts if packet.dts is None else packet.dts
        if at is not None:
            ahead_s = 0.0 if last is None else float((at - last) * base)
            # A single stamp may be wrong, but a recording begins with a key frame.
            if last is not None and (abs(ahead_s) > _JUMP_S or (packet.key and ahead_s < -back_s)):
                ahead += last + round(1 / (rate or 25.0) / base) - at
            last = at
        found.append(None if stamp is None else stamp + ahead)
    return found


def _distinct(stamps: list[int | None]) -> list[float]:
    """Return the stamps sorted, those that come twice spread up to the next; none where they are of no use.

    So they are in raw H.264 and some AVI files: there frames follow each other at the mean rate.
    """
    known = sorted(stamp for stamp in stamps if stamp is not None)
    places = np.unique(known)
    if len(known) < len(stamps) or len(places) * 2 <= len(known):
        return []
    if len(places) == len(known):
        return list(known)
    numbers = np.searchsorted(known, places)
    step = float(np.median(np.diff(places)))
    after = np.append(places, places[-1] + step * (len(known) - numbers[-1]))
    return list(np.interp(np.arange(len(known)), np.append(numbers, len(known)), after))


def _listed(container: InputContainer, stream: VideoStream, path: Path) -> int:
    """Return the packets that the header promises; 0 when it promises nothing.

    An MP4 counts its samples before its edit list is applied, FFmpeg's index after it. An AVI that was
    written to a pipe counts more than it has room for: a chunk is eight bytes at least.
    """
    if container.format.name == "avi" and stream.frames * 8 > path.stat().st_size:
        return 0
    edited = len(stream.index_entries) if "mp4" in container.format.name else 0
    return min(stream.frames, edited) if edited else stream.frames


def _missing(path: Path, *, listed: int, held: int) -> str:
    """Say what a file lacks of what its header promises; an AVI counts empty chunks as frames."""
    cut = is_cut(path)
    if listed > held and cut is not False:
        return f"header claims {listed} frames, the file holds {held}"
    return "the file ends before its container does" if cut else ""


def _shows_nothing(stream: VideoStream, fields: Fields | None) -> Callable[[Packet[Any]], bool]:
    """Return a test for packets that give no frame of their own, to be asked of each in order."""
    if stream.codec_context.name == "vp8":  # show_frame (RFC 6386, section 9.1): alt-ref pictures lack it
        return lambda packet: not memoryview(packet)[0] & 0x10
    if fields is not None:
        return lambda packet: fields.is_second(bytes(packet))
    return lambda packet: False


def _without_lost(path: Path, packets: list[_Packet], *, reordered: bool, torn: bool) -> list[_Packet]:
    """Leave out what is not meant to be shown, and the pictures that refer to what was cut away in front.

    A recording that begins in the middle has such in front of its first key frame; a cut in an open group of
    pictures has them behind it, shown before it. Nobody can decode them. Others lead as well but decode; only
    decoding tells, as it does where stamps are those of decoding alone, and where the first picture of H.264
    is no whole one (`torn`): one that is refreshed bit by bit is not shown until it is whole.
    """
    first = next((number for number, packet in enumerate(packets) if packet.key), None)
    shown = [packet for packet in packets if packet.shown]
    if first is None or (key := packets[first].pts) is None:
        return shown
    behind = [packet.pts for packet in packets[first + 1 : first + _HEAD // 2]]
    stamped = [pts for pts in behind if pts is not None]
    leads = bool(behind) and (behind[0] is None or behind[0] <= key)
    rising = reordered and stamped == sorted(stamped)
    if not (first or leads or rising or torn):
        return shown
    least = first + _HEAD
    while least < len(packets) and not packets[least].shown:  # not between two fields
        least += 1
    read, found = _decoded_head(path, least)
    head = []
    for packet in packets[:read]:
        if packet.shown and found[packet.pts]:
            found[packet.pts] -= 1
            head.append(packet)
    return [*head, *(packet for packet in packets[read:] if packet.shown)]


def _decoded_head(path: Path, least: int) -> tuple[int, Counter[int | None]]:
    """Decode so many packets, or more if no frame comes, and what the decoder then holds.

    Returns:
        How many were read; how many frames came of each stamp.
    """
    found: Counter[int | None] = Counter()
    read = 0
    with open_video(path) as (container, stream), suppress(FFmpegError):
        stream.codec_context.thread_count = 1
        packets = (packet for packet in container.demux(stream) if packet.size)
        for read, packet in enumerate(packets, 1):
            try:
                found.update(frame.pts for frame in packet.decode())
            except FFmpegError:
                if found:  # damage, not a lack of what came before: it is to be missed
                    found[packet.pts] += 1
            if found and read >= least:
                break
        found.update(frame.pts for frame in stream.codec_context.decode(None))
    return read, found
