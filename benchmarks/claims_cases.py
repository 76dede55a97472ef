"""Harmless files that claim far more than they hold: a header that says 10^12, a member that inflates to 300 MB.

None of them names code or breaks a reader; each is made on the spot and thrown away.
"""

from __future__ import annotations

import io
import json
import pickle
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs.zstd import Zstd

from heatpool.pool.disk.checksum_record import dump_record
from heatpool.pool.exchange.npz import export_npz
from heatpool.pool.store.reader import FeatureStore

__all__ = ["HUGE", "Claim", "claims"]

HUGE = 10**12
_INFLATED = 300_000_000  # bytes
_LEVELS = 5_000  # of brackets in brackets


@dataclass(frozen=True)
class Claim:
    """A file and what is done with it.

    Attributes:
        kind: of file.
        says: what it claims.
        words: the command line that reads it.
    """

    kind: str
    says: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class _Maker:
    """Where stand-ins are made, and a store to make them of."""

    folder: Path
    store: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def changed_store(self, name: str, change: Callable[[Path], None]) -> Path:
        out = self.path(name)
        shutil.copytree(self.store, out)
        change(out)
        return out


def claims(folder: Path, store: Path, run: Path) -> Iterator[Claim]:
    """Make the files in `folder` one by one, and say what is to be done with each.

    Args:
        folder: an empty one.
        store: a small finished feature store.
        run: a trained run on it.
    """
    maker = _Maker(folder, store)
    for make in (_stores, _archives, _exports, _arrays, _annotations, _tables, _keypoints, _texts):
        yield from make(maker)
    yield from _runs(maker, run)
    yield from _networks(maker)


def _edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def _attributes(**changes: Any) -> Callable[[Path], None]:
    return lambda store: _edit_json(store / "zarr.json", lambda root: root["attributes"].update(changes))


def _array(name: str, **changes: Any) -> Callable[[Path], None]:
    def change(store: Path) -> None:
        _edit_json(store / name / "zarr.json", lambda array: array.update(changes))
        consolidated = ("consolidated_metadata", "metadata", name)

        def in_root(root: dict[str, Any]) -> None:
            for key in consolidated:
                root = root[key]
            root.update(changes)

        _edit_json(store / "zarr.json", in_root)

    return change


def _checked(data: bytes) -> bytes:
    """A chunk with the checksum that its last codec expects."""
    from numcodecs.checksum32 import CRC32C

    return bytes(CRC32C(location="end").encode(data))


def _chunk(name: str, data: bytes) -> Callable[[Path], None]:
    return lambda store: ((store / name / "c" / "0").write_bytes(data) and None) or None


def _deep(path: str) -> Callable[[Path], None]:
    return lambda store: ((store / path).write_text("[" * _LEVELS + "]" * _LEVELS) and None) or None


def _many_clips(store: Path) -> None:
    """10^12 clips in shards of one, with the last file of the labels there."""
    _attributes(clips=HUGE, shard_clips=1)(store)
    (store / "label" / "c" / str((HUGE - 1) // 65_536)).write_bytes(b"")


def _frame_of(size: int) -> bytes:
    """The beginning of a zstd frame that claims so many bytes: magic, descriptor, size; then nothing."""
    return _checked(struct.pack("<IBQ", 0xFD2FB528, 0xE0, size) + b"\1\0\0")


def _inflating() -> bytes:
    return bytes(Zstd(level=1).encode(np.zeros(_INFLATED, np.uint8)))


def _gzip_chunk(store: Path) -> None:
    _array("label", codecs=[{"name": "bytes", "configuration": {"endian": "little"}},
                            {"name": "gzip", "configuration": {"level": 5}}])(store)  # fmt: skip
    (store / "label" / "c" / "0").write_bytes(zlib.compress(bytes(_INFLATED), wbits=31))


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


_STORES: dict[str, Callable[[Path], None]] = {
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


def _stores(maker: _Maker) -> Iterator[Claim]:
    for number, (says, change) in enumerate(_STORES.items()):
        store = maker.changed_store(f"store{number}.zarr", change)
        out = f"{store}.out"
        for words in (
            ("info", str(store)),
            ("verify", str(store)),
            ("convert", str(store), f"{out}.c.zarr", "--precision", "u1"),
            ("archive export", str(store), f"{out}.npz"),
            ("train", str(store), f"{out}.run", "--model", "linear", "--epochs", "1", "--threads", "1"),
        ):
            yield Claim("store", says, words)
        if number < 3:
            for words in (
                ("archive pack", str(store), f"{out}.hpz"),
                ("archive merge", str(store), str(store), "--out", f"{out}.m.zarr"),
                ("archive subset", str(store), f"{out}.s.zarr", "--classes", "0"),
                ("archive card", str(store)),
            ):
                yield Claim("store", says, words)


def _archives(maker: _Maker) -> Iterator[Claim]:
    for says, member in {
        "a manifest of 10^12 bytes": b'{"format":',
        "members of 2^61 bytes": json.dumps(
            {"format": "heatpool-archive", "version": 1,
             "members": {name: {"bytes": 1 << 61, "sha256": "0" * 64} for name in ("DATA_CARD.md", "zarr.json")}}
        ).encode(),
        "brackets in brackets": b"[" * _LEVELS,
    }.items():  # fmt: skip
        path = maker.path(f"archive{len(member)}.hpz")
        size = 0xFFFFFFF0 if "manifest" in says else len(member)
        head = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 0, 0, 33, zlib.crc32(member), size, size, 13, 0)
        path.write_bytes(head + b"MANIFEST.json" + member)
        for words in (("info",), ("archive verify",)):
            yield Claim(".hpz", says, (*words, str(path)))
        yield Claim(".hpz", says, ("archive unpack", str(path), f"{path}.zarr"))


def _header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """An `.npy` file without values."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def _zip(path: Path, members: dict[str, bytes | int]) -> Path:
    """A zip of members, or of so many zeros after an `.npy` header of as many bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                if isinstance(content, bytes):
                    member.write(content)
                    continue
                member.write(_header((content,), "|u1"))
                for _ in range(content // 1_000_000):
                    member.write(bytes(1_000_000))
    return path


def _exports(maker: _Maker) -> Iterator[Claim]:
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
    np.save(wide, np.array("[" * _LEVELS))
    stand_ins: dict[str, dict[str, bytes | int]] = {
        "10^12 clips": {"heatpool.npy": description(clips=HUGE)},
        "10^12 labels": {"label.npy": _header((HUGE,), "<i4")},
        "labels that inflate to 300 MB": {"label.npy": _INFLATED},
        "texts of 1 GB each": {"clip_id.npy": _header((11,), "<U250000000")},
        "20 tables of 300 MB": {f"columns/c{number}.npy": _INFLATED for number in range(20)},
        "2^28 values a clip, 4,096 a shard": {"heatpool.npy": description(channels=1 << 19, shard_clips=4096)},
        "brackets in brackets": {"heatpool.npy": wide.getvalue()},
    }
    for number, (says, changes) in enumerate(stand_ins.items()):
        path = _zip(maker.path(f"export{number}.npz"), {**members, **changes})
        yield Claim("exported .npz", says, ("archive import", str(path), f"{path}.zarr"))
    yield from _hdf5_exports(maker, text)


def _hdf5_exports(maker: _Maker, text: str) -> Iterator[Claim]:
    import h5py

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


def _arrays(maker: _Maker) -> Iterator[Claim]:
    folder = maker.path("npy")
    folder.mkdir()
    (folder / "a.npy").write_bytes(_header((10, HUGE)))
    yield Claim("frame features .npy", "10^13 values", ("archive import", str(folder), f"{folder}.zarr", "--format", "features"))  # noqa: E501
    yield Claim("published .npy", "10^13 values", ("archive import", str(folder), f"{folder}.n.zarr", "--format", "npy"))  # noqa: E501
    folder = maker.path("npz")
    folder.mkdir()
    _zip(folder / "a.npz", {"a.npy": _header((300, 250_000)) + bytes(300_000_000)})
    yield Claim("frame features .npz", "300 MB of zeros", ("archive import", str(folder), f"{folder}.zarr", "--format", "features"))  # noqa: E501


def _annotations(maker: _Maker) -> Iterator[Claim]:
    def clip(**changes: Any) -> dict[str, Any]:
        keypoint = np.zeros((1, 4, 17, 2), np.float32)
        return {"frame_dir": "a", "label": 0, "total_frames": 4, "img_shape": (10, 10), "keypoint": keypoint,
                "keypoint_score": np.ones((1, 4, 17), np.float32)} | changes  # fmt: skip

    bomb: Any = [1.0] * 10
    for _ in range(8):
        bomb = [bomb] * 10
    for number, (says, entry) in enumerate(
        {
            "label 10^9": clip(label=10**9),
            "10^12 frames": clip(total_frames=HUGE),
            "10^9 numbers by naming ten lists ten times": clip(keypoint=bomb),
        }.items()
    ):
        path = maker.path(f"pyskl{number}.pkl")
        path.write_bytes(pickle.dumps({"split": {"xsub": ["a"]}, "annotations": [entry]}, protocol=4))
        yield Claim("PYSKL pickle", says, ("archive import", str(path), f"{path}.zarr"))
    path = maker.path("long.pkl")
    path.write_bytes(b"\x80\x04\x8e" + struct.pack("<Q", HUGE) + b".")
    yield Claim("PYSKL pickle", "bytes of 10^12", ("archive import", str(path), f"{path}.zarr"))


def _tables(maker: _Maker) -> Iterator[Claim]:
    videos = maker.path("videos")
    videos.mkdir()
    (videos / "a.mp4").write_bytes(b"")
    tiny = ("--backend", "tiny", "--detector", "tiny", "--threads", "1")
    for number, (says, text) in enumerate(
        {
            "label 10^9": "path,label\nvideos/a.mp4,1000000000\n",
            "start_s 10^12": "path,start_s,end_s\nvideos/a.mp4,0,1e12\n",
            "a cell of 10 MB": "path,subject\nvideos/a.mp4," + "x" * 10_000_000 + "\n",
        }.items()
    ):
        path = maker.path(f"clips{number}.csv")
        path.write_text(text, encoding="utf-8")
        yield Claim("manifest", says, ("extract", str(path), f"{path}.zarr", *tiny))
        yield Claim("manifest", says, ("doctor", str(path), "--out", f"{path}.doctor.csv"))
    path = maker.path("labels.csv")
    path.write_text("clip_id,label\nx,1000000000\n", encoding="utf-8")
    yield Claim("labels", "label 10^9", ("relabel", str(maker.store), str(path), "--out", f"{path}.zarr"))
    clips = maker.path("one.csv")
    clips.write_text("path\nvideos/a.mp4\n", encoding="utf-8")
    boxes = maker.path("boxes.csv")
    with boxes.open("w", encoding="utf-8") as file:
        file.write("path,frame,x1,y1,x2,y2,score\n")
        file.writelines(f"videos/other{n % 100}.mp4,{n},1,1,20,20,0.9\n" for n in range(500_000))
    given = ("--backend", "tiny", "--threads", "1", "--boxes")
    yield Claim("boxes", "500,000 of other videos", ("extract", str(clips), f"{boxes}.zarr", *given, str(boxes)))
    boxes = maker.path("frames.csv")
    boxes.write_text(f"path,frame,x1,y1,x2,y2,score\nvideos/a.mp4,{HUGE},1,1,20,20,0.9\n", encoding="utf-8")
    yield Claim("boxes", "frame 10^12", ("extract", str(clips), f"{boxes}.zarr", *given, str(boxes)))


def _keypoints(maker: _Maker) -> Iterator[Claim]:
    import h5py

    def take(path: Path, says: str, kind: str) -> Claim:
        words = ("archive import", str(path), f"{path}.zarr", "--format", kind, "--frame-size", "64x64")
        return Claim(f"keypoints, {kind}", says, (*words, "--fps", "25"))

    for kind in ("coco", "mmpose", "alphapose", "sleap"):
        path = maker.path(f"deep_{kind}.json")
        path.write_text("[" * _LEVELS + "]" * _LEVELS, encoding="utf-8")
        yield take(path, "brackets in brackets", kind)
    path = maker.path("frames.json")
    path.write_text(json.dumps([{"frame_id": HUGE, "instances": [{"keypoints": [[1, 1]] * 17, "keypoint_scores": [1] * 17}]}]))  # noqa: E501
    yield take(path, "frame 10^12", "mmpose")
    path = maker.path("frames.skeleton")
    path.write_text(f"{HUGE}\n{HUGE}\n", encoding="utf-8")
    yield take(path, "10^12 frames", "ntu")
    path = maker.path("ctrgcn.npz")
    _zip(path, {f"{name}.npy": _header((HUGE, 300, 150)) for name in ("x_train", "y_train", "x_test", "y_test")})
    yield take(path, "10^12 clips", "ctrgcn")
    path = maker.path("inflates.npz")
    _zip(path, {"x_train.npy": _header((1_600, 300, 150)) + bytes(_INFLATED), "y_train.npy": _INFLATED,
                "x_test.npy": _header((0, 300, 150)), "y_test.npy": _header((0, 60))})  # fmt: skip
    yield take(path, "300 MB of zeros", "ctrgcn")
    path = maker.path("landmarks.npy")
    path.write_bytes(_header((HUGE, 33, 3)))
    yield take(path, "10^12 frames", "mediapipe")
    for kind, name, shape in (("sleap", "tracks", (1, 2, 17, 10**9)), ("deeplabcut", "df_with_missing", (10**9,))):
        path = maker.path(f"{kind}.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset(name, shape, "f8", chunks=tuple(min(side, 1 << 14) for side in shape))
            file.create_dataset("node_names", (10**9,), h5py.string_dtype(), chunks=(1 << 16,))
            file.create_dataset("track_names", (10**9,), h5py.string_dtype(), chunks=(1 << 16,))
        yield take(path, "10^9 frames", kind)


def _texts(maker: _Maker) -> Iterator[Claim]:
    out = str(maker.path("yaml.run"))
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
    )
    for number, (says, text) in enumerate({"10^8 values by aliases": bomb, "brackets in brackets": "a: " + "[" * _LEVELS}.items()):  # noqa: E501
        path = maker.path(f"options{number}.yaml")
        path.write_text(text, encoding="utf-8")
        yield Claim("options in YAML", says, ("train", str(maker.store), out, "--config", str(path)))
        path = maker.path(f"skeleton{number}.yaml")
        path.write_text(text + "joints: *h\n" if number == 0 else text, encoding="utf-8")
        words = ("archive import", str(maker.path("landmarks.npy")), f"{path}.zarr", "--skeleton", str(path))
        yield Claim("skeleton in YAML", says, words)


def _runs(maker: _Maker, run: Path) -> Iterator[Claim]:
    out = maker.path
    for number, (says, members) in enumerate(
        {
            "10^12 scores": {"scores.npy": _header((HUGE, 4))},
            "scores that inflate to 300 MB": {"scores.npy": _INFLATED},
            "texts of 1 GB each": {"clip_id.npy": _header((11,), "<U250000000")},
        }.items()
    ):
        path = out(f"scores{number}.npz")
        whole: dict[str, bytes | int] = {f"{name}.npy": _header((0,)) for name in ("clip_id", "scores", "labels", "class_names", "kind")}  # noqa: E501
        _zip(path, {**whole, **members})
        yield Claim("scores .npz", says, ("fuse", f"a={path}", f"b={path}"))
    path = out("0_best_score.npy")
    path.write_bytes(_header((HUGE, 60)))
    out("0_best_name.txt").write_text("a\n", encoding="utf-8")
    yield Claim("scores .npy", "10^12 clips", ("fuse", f"a={path}", f"b={path}", "--labels", str(maker.store)))
    bomb = out("options0.yaml").read_text(encoding="utf-8")
    weights = struct.pack("<Q", HUGE) + b"{}"
    header = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()

    def changes(name: str, data: bytes) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            for each in folder.rglob(name):
                each.write_bytes(data)

        return change

    deep = b"[" * _LEVELS + b"]" * _LEVELS
    for number, (kind, says, change) in enumerate(
        (
            ("run, config.yaml", "10^8 values by aliases", changes("config.yaml", bomb.encode())),
            ("run, summary.json", "brackets in brackets", changes("summary.json", deep)),
            ("run, best.json", "brackets in brackets", changes("best.json", deep)),
            ("run, best.safetensors", "a header of 10^12 bytes", changes("best.safetensors", weights)),
            ("run, best.safetensors", "10^12 values", changes("best.safetensors", struct.pack("<Q", len(header)) + header)),  # noqa: E501
            ("run, best.json", "10^9 channels", _in_side(shape={"channels": 10**9})),
            ("run, best.json", "300,000 classes and channels", _in_side(shape={"channels": 300_000, "classes": 300_000})),
            ("run, scores", "10^12 scores", changes("scores_*.npz", out("scores0.npz").read_bytes())),
        )
    ):
        folder = out(f"run{number}")
        shutil.copytree(run, folder)
        change(folder)
        yield Claim(kind, says, ("evaluate", str(folder), "--out", f"{folder}.out"))
        yield Claim(kind, says, ("predict", str(folder), "--features", str(maker.store), "--out", f"{folder}.csv"))
        yield Claim(kind, says, ("compare", str(folder), str(folder)))


def _in_side(**changes: dict[str, Any]) -> Callable[[Path], None]:
    def change(side: dict[str, Any]) -> None:
        for key, values in changes.items():
            side[key].update(values)

    return lambda run: [_edit_json(each, change) for each in run.rglob("best.json")] and None or None


def _networks(maker: _Maker) -> Iterator[Claim]:
    import torch

    out = maker.path
    width, heads = "stage2.0.branches.0.0.conv1.weight", ("final_layer.weight",)
    one = torch.zeros(1)
    tensors = {width: one.expand(10**9, 1, 3, 3), heads[0]: one.expand(10**9, 1, 1, 1)}
    torch.save(tensors, out("expanded.pth"))
    torch.save({width: torch.zeros(1_000_000, 1, 1, 1), heads[0]: torch.zeros(17, 1, 1, 1)}, out("wide.pth"))
    torch.save({width: one.half().expand(10**12, 1, 1, 1), heads[0]: torch.zeros(17, 1, 1, 1)}, out("half.pth"))
    torch.save({width: torch.zeros(75_000_000)}, out("stored.pth"))
    with zipfile.ZipFile(out("stored.pth")) as stored:
        _zip(out("inflates.pth"), {name: stored.read(name) for name in stored.namelist()})
    out("stored.pth").unlink()
    clips = out("one.csv")
    for name, says in {
        "expanded.pth": "10^9 channels of one number", "wide.pth": "10^6 channels",
        "half.pth": "10^12 channels of one number", "inflates.pth": "300 MB of zeros, compressed",
    }.items():  # fmt: skip
        words = ("extract", str(clips), f"{out(name)}.zarr", "--backend", "hrnet-simcc", "--threads", "1")
        yield Claim("HRNet .pth", says, (*words, "--detector", "full-frame", "--weights", str(out(name))))
    head = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()
    for name, data in {"header": struct.pack("<Q", HUGE) + b"{}", "values": struct.pack("<Q", len(head)) + head}.items():  # noqa: E501
        path = out(f"{name}.safetensors")
        path.write_bytes(data)
        words = ("extract", str(clips), f"{path}.zarr", "--backend", "hrnet-simcc", "--threads", "1")
        yield Claim("HRNet .safetensors", f"10^12 {name}", (*words, "--detector", "full-frame", "--weights", str(path)))
