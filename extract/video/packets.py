"""What the packets of a video file say: how many frames there are, and when they are shown."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream

from heatpool.extract.video.container import decode_stream, open_video
from heatpool.extract.video.file_end import is_cut

__all__ = ["PacketTable", "read_packets"]

_LONGEST_S = 7 * 86_400.0  # stamps that span more are taken for damage; windows and ticks are cut from them
_Packet = tuple[int | None, int | None, bool]  # presentation and decoding stamp, whether a key frame


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
    damage, held = "", 0
    with open_video(path) as (container, stream):
        header, listed = stream.frames, _listed(container, stream)
        rate = float(stream.average_rate or stream.guessed_rate or 0)
        size = (stream.codec_context.width, stream.codec_context.height)
        start, base = stream.start_time or 0, stream.time_base
        hidden = _HIDDEN.get(stream.codec_context.name)
        try:
            for packet in container.demux(stream):
                if not packet.size:  # these only flush
                    continue
                held += 1
                # Discarded ones (an edit list's) are decoded but never shown.
                if not (packet.is_discard or (hidden and hidden(packet))):
                    packets.append((packet.pts, packet.dts, packet.is_keyframe))
        except FFmpegError as error:
            damage = f"reading stopped after {len(packets)} frames: {error.strerror}"
    damage = damage or _missing(path, listed=listed, held=held)
    packets = _without_lost(path, packets)
    # AVI has decoding stamps only; without reordered frames they are the presentation stamps.
    stamps = [dts if pts is None else pts for pts, dts, _ in packets]
    known = sorted(stamp for stamp in stamps if stamp is not None)
    # Stamps are of no use in raw H.264 and some AVI files: there frames follow each other at the mean rate.
    usable = base is not None and len(known) == len(stamps) == len(set(known))
    times_s = np.array([float((stamp - start) * base) for stamp in known] if usable and base else [])
    if len(times_s) and times_s[-1] - times_s[0] > _LONGEST_S:
        damage = damage or f"the time stamps span {(times_s[-1] - times_s[0]) / 86_400:.0f} days"
        usable = False
    if not usable:
        even_s = np.arange(len(stamps)) / (rate if rate * _LONGEST_S > len(stamps) else 25.0)
        return PacketTable(header, rate, size, even_s, damage, [])
    # Decoding may begin at a key frame only if its stamp is one to seek by.
    numbers = {stamp: number for number, stamp in enumerate(known)}
    true_stamps = all(pts is not None for pts, _, _ in packets)
    keys = sorted((pts, numbers[pts]) for pts, _, key in packets if true_stamps and key and pts is not None)
    return PacketTable(header, rate, size, times_s, damage, keys)


def _listed(container: InputContainer, stream: VideoStream) -> int:
    """Return the packets that the header promises; 0 when it promises nothing.

    An MP4 counts its samples before its edit list is applied, FFmpeg's index after it.
    """
    edited = len(stream.index_entries) if "mp4" in container.format.name else 0
    return min(stream.frames, edited) if edited else stream.frames


def _missing(path: Path, *, listed: int, held: int) -> str:
    """Say what a file lacks of what its header promises; an AVI counts empty chunks as frames."""
    cut = is_cut(path)
    if listed > held and cut is not False:
        return f"header claims {listed} frames, the file holds {held}"
    return "the file ends before its container does" if cut else ""


def _shows_nothing_vp8(packet: av.Packet[Any]) -> bool:
    return not memoryview(packet)[0] & 0x10  # show_frame (RFC 6386, section 9.1): alt-ref pictures lack it


_HIDDEN = {"vp8": _shows_nothing_vp8}


def _without_lost(path: Path, packets: list[_Packet]) -> list[_Packet]:
    """Leave out the leading pictures that refer to what was cut away in front of the first key frame.

    A cut in an open group of pictures leaves such: they follow the key frame, are shown before it, and nobody
    can decode them. Others lead as well but decode; only decoding tells.
    """
    if not packets or not packets[0][2] or (key := packets[0][0]) is None:
        return packets
    leading = list(takewhile(lambda packet: packet[0] is not None and packet[0] < key, packets[1:]))
    if not leading:
        return packets
    shown = _stamps_before(path, key)
    found = [packet for packet in leading if packet[0] in shown]
    return [packets[0], *found, *packets[1 + len(leading) :]]


def _stamps_before(path: Path, key: int) -> set[int]:
    """Decode up to the frame with the stamp `key`; return the stamps of those that come before it."""
    found: set[int] = set()
    with open_video(path) as (container, stream):
        for frame in decode_stream(container, stream):
            if frame.pts is None or frame.pts >= key:
                break
            found.add(frame.pts)
    return found
