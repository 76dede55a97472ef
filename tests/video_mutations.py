"""Damaged videos by the hundred, the same for the same seed: small real films, and what can happen to bytes.

Films come in several codecs and containers and show a drawn person. Mutations know nothing of the decoder:
they flip, overwrite, cut, splice and double bytes, or write other numbers into the fields of headers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from extract.demo.samples import render_sample

FILMS = {  # name: codec, pixel format
    "h264.mp4": ("libx264", "yuv420p"),
    "h264.mkv": ("libx264", "yuv420p"),
    "h264.mov": ("libx264", "yuv420p"),
    "h264.ts": ("libx264", "yuv420p"),
    "hevc.mp4": ("libx265", "yuv420p"),
    "hevc.ts": ("libx265", "yuv420p"),
    "mpeg4.avi": ("mpeg4", "yuv420p"),
    "mpeg4.mp4": ("mpeg4", "yuv420p"),
    "mjpeg.avi": ("mjpeg", "yuvj420p"),
    "mjpeg.mov": ("mjpeg", "yuvj420p"),
    "vp9.webm": ("libvpx-vp9", "yuv420p"),
    "vp9.mp4": ("libvpx-vp9", "yuv420p"),
    "av1.webm": ("libsvtav1", "yuv420p"),
    "mpeg2.mpg": ("mpeg2video", "yuv420p"),
    "wmv2.wmv": ("wmv2", "yuv420p"),
    "film.gif": ("gif", "rgb8"),
}
_ATOMS = b"mvhd mdhd tkhd stts stsz stsc stco ctts elst stss stsd avcC hvcC avc1 mp4v".split()
_FIELDS = (  # where numbers stand in the headers of the other containers
    *(b"avih", b"strh", b"strf", b"idx1", b"hdrl", b"movi"),  # AVI
    *(b"\x44\x89", b"\x2a\xd7\xb1", b"\x23\xe3\x83", b"\xb0", b"\xba", b"\x1c\x53\xbb\x6b"),  # Matroska
    *(b"\x47\x40\x00", b"\x47\x50\x00", b"\x00\x00\x01\xe0", b"\x00\x00\x01\xb3"),  # MPEG streams
    *(b"\xff\xd8", b"\xff\xc0", b"\xff\xdb", b"GIF89a", b"\x21\xf9\x04", b"\x2c"),  # JPEG, GIF
)  # fmt: skip
_NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


@dataclass(frozen=True)
class Mutant:
    """A damaged film: its file name, its bytes, and the film and what was done to it."""

    name: str
    data: bytes
    film: str
    how: str


def make_films(folder: Path, *, names: Sequence[str] = tuple(FILMS)) -> dict[str, Path]:
    """Encode 8 to 20 frames of 64 x 48 to 160 x 120 pixels in every codec and container."""
    folder.mkdir(parents=True, exist_ok=True)
    return {name: _encode(folder / name, list(FILMS).index(name)) for name in names}


def _encode(path: Path, number: int) -> Path:
    codec, pixel_format = FILMS[path.name]
    width, height = [(64, 48), (96, 80), (128, 96), (160, 120)][(number + 1) % 4]
    picture = render_sample(np.random.default_rng(number), width_px=width + 20, height_px=height).rgb
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, pixel_format
        stream.codec_context.gop_size = 6
        stream.codec_context.thread_count = 1  # the same bytes on every machine
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none:pools=none:frame-threads=1"}
        for step in range(8 + number * 5 % 13):
            shown = np.ascontiguousarray(picture[:, step : step + width])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(shown, format="rgb24")))
        container.mux(stream.encode())
    return path


def mutate(films: dict[str, Path], *, count: int, seed: int = 0) -> Iterator[Mutant]:
    """Yield `count` mutants: films in turn, mutations in turn, places and values by the seed."""
    data = {name: path.read_bytes() for name, path in films.items()}
    rng, names, ways = np.random.default_rng(seed), list(data), list(_WAYS)
    for number in range(count):
        film = names[number % len(names)]
        way = ways[(number + number // len(names)) % len(ways)]
        other = data[names[int(rng.integers(len(names)))]]
        changed = _WAYS[way](bytearray(data[film]), other, rng)
        suffix = Path(names[int(rng.integers(len(names)))] if way == "renamed" else film).suffix
        yield Mutant(f"{number:04}{suffix}", bytes(changed), film, way)


def _span(data: Sequence[int], rng: np.random.Generator) -> tuple[int, int]:
    """Two places in order, mostly near each other."""
    start = int(rng.integers(len(data)))
    return start, start + int(rng.integers(1, max(len(data) // int(rng.integers(2, 40)), 2)))


def _flip(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for place in rng.integers(len(data), size=int(rng.choice([1, 4, 32, 256]))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def _flip_head(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    for place in rng.integers(min(len(data), 700), size=int(rng.choice([1, 2, 8]))):
        data[place] ^= 1 << int(rng.integers(8))
    return data


def _overwrite(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    noise = rng.integers(256, size=stop - start, dtype=np.uint8).tobytes()
    data[start:stop] = [noise, bytes(stop - start), b"\xff" * (stop - start)][int(rng.integers(3))]
    return data


def _cut_end(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))]


def _cut_start(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data[int(rng.integers(1, len(data))) :]


def _cut_middle(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    del data[start:stop]
    return data


def _splice(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data[: int(rng.integers(len(data)))] + other[int(rng.integers(len(other))) :]


def _append(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data + other


def _insert(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(other, rng)
    at = int(rng.integers(len(data)))
    return data[:at] + other[start:stop] + data[at:]


def _double(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    start, stop = _span(data, rng)
    return data[:stop] + data[start:stop] * int(rng.integers(1, 4)) + data[stop:]


def _shuffle(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    size = int(rng.choice([188, 512, 2048]))
    blocks = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(blocks[at] for at in rng.permutation(len(blocks)))


def _lie(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    """Write a number into a header's field, up to three times."""
    fields = [mark for mark in (*_ATOMS, *_FIELDS) if mark in data]
    for _ in range(int(rng.integers(1, 4))):
        mark = fields[int(rng.integers(len(fields)))] if fields else b""
        place = max(data.find(mark), 0) + len(mark) + int(rng.integers(0, 12)) * int(rng.choice([1, 4]))
        width = int(rng.choice([1, 2, 4]))
        number = _NUMBERS[int(rng.integers(len(_NUMBERS)))] & ((1 << 8 * width) - 1)
        order = "big" if mark in _ATOMS or len(mark) < 4 else "little"
        data[place : place + width] = number.to_bytes(width, order)
    return data


def _huge(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    """Claim 16,000 x 16,000 pixels, which FFmpeg takes, wherever width and height stand as plain numbers."""
    return claim_size(data, 16_000, 16_000)


def _unchanged(data: bytearray, other: bytes, rng: np.random.Generator) -> bytes:
    return data  # under another film's suffix


_WAYS: dict[str, Callable[[bytearray, bytes, np.random.Generator], bytes | bytearray]] = {
    "bits flipped": _flip,
    "header": _lie,
    "cut at the end": _cut_end,
    "bits flipped in the head": _flip_head,
    "overwritten": _overwrite,
    "another header": _lie,
    "spliced": _splice,
    "doubled": _double,
    "cut in the middle": _cut_middle,
    "huge": _huge,
    "cut at the start": _cut_start,
    "two films": _append,
    "inserted": _insert,
    "shuffled": _shuffle,
    "renamed": _unchanged,
}


def claim_size(data: bytes | bytearray, width_px: int, height_px: int) -> bytes:
    """Claim another picture size in GIF, JPEG, AVI and MP4 headers; other films stay as they are."""
    data = bytearray(data)
    for big, small, mark, gap in (
        ("", "little", b"GIF89a", 0),
        ("", "little", b"\x00\x2c", 4),  # a picture in a GIF, behind the end of the block before it
        ("h", "big", b"\xff\xc0\x00\x11\x08", 0),  # JPEG: height first
        ("", "big", b"avc1\x00\x00\x00\x00\x00\x00\x00\x01", 16),
        ("", "big", b"mp4v\x00\x00\x00\x00\x00\x00\x00\x01", 16),
        ("", "big", b"jpeg\x00\x00\x00\x00\x00\x00\x00\x01", 16),
        ("", "big", b"vp09\x00\x00\x00\x00\x00\x00\x00\x01", 16),
    ):
        sizes = (height_px, width_px) if big else (width_px, height_px)
        at = data.find(mark)
        while at >= 0:
            place = at + len(mark) + gap
            data[place : place + 4] = b"".join(size.to_bytes(2, small) for size in sizes)  # type: ignore[arg-type]
            at = data.find(mark, place)
    at = data.find(b"strf")
    if at >= 0:
        data[at + 12 : at + 20] = width_px.to_bytes(4, "little") + height_px.to_bytes(4, "little")
    return bytes(data)
