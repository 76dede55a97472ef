"""Stores, archives and exported files that claim far more than they hold."""

from __future__ import annotations

import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numcodecs.checksum32 import CRC32C
from numcodecs.zstd import Zstd

from benchmarks.claims_files import HUGE, INFLATED, LEVELS, Claim, Maker, edit_json, header, zip_members
from heatpool.pool.disk.checksum_record import dump_record
from heatpool.pool.exchange.npz import export_npz
from heatpool.pool.store.reader import FeatureStore

__all__ = ["STORES", "archives", "exports", "stores"]


def _attributes(**changes: Any) -> Callable[[Path], None]:
    return lambda store: edit_json(store / "zarr.json", lambda root: root["attributes"].update(changes))


def _array(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        edit_json(store / name / "zarr.json", lambda array: array.update(changes))
        consolidated = ("consolidated_metadata", "metadata", name)

        def in_root(root: dict[str, Any]) -> None:
            for key in consolidated:
                root = root[key]
            root.update(changes)

        edit_json(store / "zarr.json", in_root)

    return change


def _checked(data: bytes) -> bytes:
    """A chunk with the checksum that its last codec expects."""
    return bytes(CRC32C(location="end").encode(data))


def _chunk(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda store: (_first_chunk(store / name).write_bytes(data) and None) or None


def _first_chunk(array: Path) -> Path:
    """The file of an index array's first clips; stores of version 1 have no folders for them."""
    return array / "c" / "0" if (array / "c").is_dir() else array / "c.0"


def _deep(path: str) -> Callable[[Path], None]:
    return lambda store: ((store / path).write_text("[" * LEVELS + "]" * LEVELS) and None) or None


def _many_clips(store: Path) -> None:
    """10^12 clips in shards of one, with the last file of the labels there."""
    _attributes(clips=HUGE, shard_clips=1)(store)
    chunks = store / "label" / "c"
    chunks.mkdir(exist_ok=True)  # stores of version 1 have none
    (chunks / str((HUGE - 1) // 65_536)).write_bytes(b"")


def _frame_of(size: int) -> bytes:
    """The beginning of a zstd frame that claims so many bytes: magic, descriptor, size; then nothing."""
    return _checked(struct.pack("<IBQ", 0xFD2FB528, 0xE0, size) + b"\1\0\0")


def _inflating() -> bytes:
    return bytes(Zstd(level=1).encode(np.zeros(INFLATED, np.uint8)))


def _gzip_chunk(store: Path) -> None:
    _array("label", codecs=[{"name": "bytes", "configuration": {"endian": "little"}},
                            {"name": "gzip", "configuration": {"level": 5}}])(store)  # fmt: skip
    _first_chunk(store / "label").write_bytes(zlib.compress(bytes(INFLATED), 1, 31))


def _wide_texts(store: Path) -> None:
    width = {"name": "fixed_length_utf32", "configuration": {"length_bytes": 1 << 30}}
    _array("clip_id", data_type=width, fill_value="",
           codecs=[{"name": "bytes", "configuration": {"endian": "little"}},
                   {"name": "zstd", "configuration": {"level": 5, "checksum": False}}])(store)  # fmt: skip


def _wide_journal(store: Path) -> None:
    record = store / "journal" / "0000000.json"
    body = json.loads(record.read_bytes())
    body.pop("sha256")
    body["results"] = {key: [0] * 100_000 for key in body["results"]}
    record.write_bytes(dump_record(body))


STORES: dict[str, Callable[[Path], None]] = {
    "10^12 clips": _attributes(clips=HUGE),
    "10^12 clips, the last label is there": _many_clips,
    "10^11 channels": _attributes(channels=10**11),
    "255 persons and 4,096 clips a shard": _attributes(persons=255, shard_clips=4_096),
    "300 persons": _attributes(persons=300),
    "brackets in brackets": _deep("zarr.json"),
    "brackets in brackets, of an array": _deep("label/zarr.json"),
    "a journal of brackets": _deep("journal/0000000.json"),
    "finished.json of brackets": _deep("finished.json"),
    "a record of 100,000 results": _wide_journal,
    "a chunk of 1 TB": _chunk("label", _frame_of(HUGE)),
    "a chunk that inflates to 300 MB": _chunk("label", _checked(_inflating())),
    "texts that inflate to 300 MB": _chunk("clip_id", _checked(_inflating())),
    "2^32 texts in a chunk": _chunk(
        "clip_id", _checked(bytes(Zstd(level=1).encode(struct.pack("<II", 0xFFFFFFFF, 0))))
    ),
    "a gzip chunk of 300 MB": _gzip_chunk,
    "texts of 1 GiB each": _wide_texts,
    "an array of float64": _array("label", data_type="float64", fill_value=0.0),
    "10^12 instead of class names": _array("label", attributes={"class_names": HUGE}),
}  # fmt: skip


def stores(maker: Maker) -> Iterator[Claim]:
    for number, (says, change) in enumerate(STORES.items()):
        store = maker.changed_store(f"store{number}.zarr", change)
        out = f"{store}.out"
        words: tuple[str, ...]
        for words in (
            ("info", str(store)),
            ("verify", str(store)),
            ("archive export", str(store), f"{out}.npz"),
        ):
            yield Claim("store", says, words)
        if number < 3:
            for words in (
                ("convert", str(store), f"{out}.c.zarr", "--precision", "u1"),
                ("train", str(store), f"{out}.run", "--model", "linear", "--epochs", "1"),
                ("archive pack", str(store), f"{out}.hpz"),
                ("archive merge", str(store), str(store), "--out", f"{out}.m.zarr"),
                ("archive subset", str(store), f"{out}.s.zarr", "--classes", "0"),
                ("archive card", str(store)),
            ):
                yield Claim("store", says, words)


def archives(maker: Maker) -> Iterator[Claim]:
    for says, member in {
        "a manifest of 10^12 bytes": b'{"format":',
        "members of 2^61 bytes": json.dumps(
            {"format": "heatpool-archive", "version": 1,
             "members": {name: {"bytes": 1 << 61, "sha256": "0" * 64} for name in ("zarr.json",)}}
        ).encode(),
        "brackets in brackets": b"[" * LEVELS,
    }.items():  # fmt: skip
        path = maker.path(f"archive{len(member)}.hpz")
        size = 0xFFFFFFF0 if "manifest" in says else len(member)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(member), size, size, 13, 0)
        path.write_bytes(head + b"MANIFEST.json" + member)
        for words in (("info",), ("archive verify",)):
            yield Claim(".hpz", says, (*words, str(path)))
        yield Claim(".hpz", says, ("archive unpack", str(path), f"{path}.zarr"))


def exports(maker: Maker) -> Iterator[Claim]:
    export_npz(FeatureStore.open(maker.store), whole := maker.path("whole.npz"))
    with zipfile.ZipFile(whole) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = str(np.load(io.BytesIO(members["heatpool.npy"])))

    def description(**changes: Any) -> bytes:
        body = json.loads(text)
        body["attributes"].update(changes)
        file = io.BytesIO()
        np.save(file, np.array(json.dumps(body)))
        return file.getvalue()

    wide = io.BytesIO()
    np.save(wide, np.array("[" * LEVELS))
    stand_ins: dict[str, dict[str, bytes | int]] = {
        "10^12 clips": {"heatpool.npy": description(clips=HUGE)},
        "10^12 labels": {"label.npy": header((HUGE,), "<i4")},
        "labels that inflate to 300 MB": {"label.npy": INFLATED},
        "texts of 1 GB each": {"clip_id.npy": header((11,), "<U250000000")},
        "20 tables of 300 MB": {f"columns/c{number}.npy": INFLATED for number in range(20)},
        "2^28 values a clip, 4,096 a shard": {
            "heatpool.npy": description(channels=1 << 19, shard_clips=4096)
        },
        "brackets in brackets": {"heatpool.npy": wide.getvalue()},
    }
    for number, (says, changes) in enumerate(stand_ins.items()):
        path = zip_members(maker.path(f"export{number}.npz"), {**members, **changes})
        yield Claim("exported .npz", says, ("archive import", str(path), f"{path}.zarr"))
    yield from _hdf5_exports(maker, text)


def _hdf5_exports(maker: Maker, text: str) -> Iterator[Claim]:
    texts = h5py.string_dtype()
    for number, (says, name, length, dtype) in enumerate(
        (
            ("10^9 labels", "label", 10**9, "i4"),
            ("10^12 labels", "label", HUGE, "i4"),
            ("10^9 texts", "clip_id", 10**9, texts),
            ("10^9 texts of 1 kB", "path", 10**9, "S1000"),
        )
    ):
        path = maker.path(f"export{number}.h5")
        whole = FeatureStore.open(maker.store)
        with h5py.File(path, "w") as file:
            file.attrs["heatpool"] = text
            for key, spec in whole.layout.features.items():
                file.create_dataset(key, (len(whole), *spec.item_shape), "f4", chunks=True)
            file.create_dataset(name, (length,), dtype, chunks=(1 << 16,))
        yield Claim("exported .h5", says, ("archive import", str(path), f"{path}.zarr"))
