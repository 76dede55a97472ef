"""Faults of files of others: stores, exports, annotations, networks, options."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
import zarr

from benchmarks.claims_files import INFLATED, LEVELS, alias_bomb, header, zip_members
from benchmarks.claims_stores import STORES
from benchmarks.faults_inputs import EXTRACT, Case, Inputs, Prepare, extract, patched, written
from benchmarks.faults_networks import networks

__all__ = ["files"]

_OF_STORES = {
    "an array of codec 'nope'": lambda store: _replace(store, '"zstd"', '"nope"'),
    "zarr_format 9": lambda store: _replace(store, '"zarr_format": 3', '"zarr_format": 9'),
    "class names that are no texts": STORES["10^12 instead of class names"],
    "labels beyond the classes": lambda store: _values(store, "label", 7),
    "splits that are no split": lambda store: _values(store, "split_xsub", 9),
    "shard_clips 0": lambda store: _attributes(store, shard_clips=0),
}
_WEIGHTS = "extract {in}/clips.csv {out}/s.zarr --detector full-frame --threads 1"
# By row: what is wrong with a store, as benchmarks.claims or this module makes it.
_STORES = {
    17: ("an array of codec 'nope'", "zarr_format 9"),
    18: ("300 persons", "shard_clips 0"),
    19: (
        "brackets in brackets", "class names that are no texts", "labels beyond the classes",
        "splits that are no split",
    ),
    20: ("10^12 clips", "10^12 clips, the last label is there"),
    21: ("a gzip chunk of 300 MB", "a chunk of 1 TB", "2^32 texts in a chunk", "texts of 1 GiB each"),
}  # fmt: skip


def files(scratch: Path) -> Iterator[Case]:
    """Yield the cases; what they share is made in `scratch`."""
    yield from _stores()
    yield from _exports()
    yield from _annotations()
    yield from networks()
    yield from _options()
    yield from _checkpoints(scratch)


def _replace(store: Path, old: str, new: str) -> None:
    for path in store.rglob("zarr.json"):
        path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def _attributes(store: Path, **changes: Any) -> None:
    root = json.loads((store / "zarr.json").read_text(encoding="utf-8"))
    root["attributes"].update(changes)
    (store / "zarr.json").write_text(json.dumps(root), encoding="utf-8")


def _values(store: Path, name: str, value: int) -> None:
    zarr.open_array(store / name)[...] = value


def _changed(change: Callable[[Path], object]) -> Prepare:
    def prepare(inputs: Inputs, out: Path) -> None:
        shutil.copytree(inputs.folder / "store.zarr", out / "s.zarr")
        change(out / "s.zarr")

    return prepare


def _stores() -> Iterator[Case]:
    for row, names in _STORES.items():
        for says in names:
            change = _OF_STORES.get(says) or STORES[says]
            commands = ["info {out}/s.zarr", "archive export {out}/s.zarr {out}/x.npz"]
            if row == 20:
                commands += [
                    "verify {out}/s.zarr",
                    "train {out}/s.zarr {out}/run --model linear --threads 1",
                    "archive merge {out}/s.zarr {out}/s.zarr --out {out}/m.zarr",
                ]
            for words in commands:
                # `info` reads no more than it shows: what is wrong in the arrays may not be seen by it.
                codes = (0, 1) if words.startswith("info") else (1,)
                yield Case(row, says, words, codes=codes, prepare=_changed(change))
    yield Case(37, "a planted lock whose owner is called a/b", extract(more="--resume"), "took over the lock",
               (0,), prepare=_changed(_plant_lock))  # fmt: skip
    yield Case(40, "texts with escape codes", "info {out}/s.zarr", codes=(0,), prepare=_escapes)


def _plant_lock(store: Path) -> None:
    told = {"token": "a/b", "host": "h", "pid": 1, "machine": "m", "process_start": "1", "since": "x"}
    (store / ".lock-writer").write_text(json.dumps({**told, "beats": "000000000000"}), encoding="utf-8")


def _escapes(inputs: Inputs, out: Path) -> None:
    shutil.copytree(inputs.folder / "store.zarr", out / "s.zarr")
    _attributes(out / "s.zarr", licence="\x1b[31mred\x1b]0;title\x07")


def _exports() -> Iterator[Case]:
    """Rows 22 and 23: exported files that claim too much, or hold what would change on its way in."""

    def with_array(name: str, values: np.ndarray) -> Prepare:
        def prepare(inputs: Inputs, out: Path) -> None:
            with np.load(inputs.folder / "x.npz") as whole:
                np.savez(out / "x.npz", **{**whole, name: values})

        return prepare

    taken = "archive import {out}/x.npz {out}/s.zarr"
    for says, name, values in (
        ("label 2^40", "label", np.full(12, 2**40)),
        ("labels of 1.7", "label", np.full(12, 1.7)),
        ("split 259", "splits/xsub", np.full(12, 259)),
        ("split -254", "splits/xsub", np.full(12, -254)),
        ("clip ids that are numbers", "clip_id", np.arange(12)),
        ("2^40 frames", "frames", np.full(12, 2**40)),
    ):
        yield Case(23, says, taken, prepare=with_array(name, values))

    def members(changes: dict[str, bytes | int]) -> Prepare:
        def prepare(inputs: Inputs, out: Path) -> None:
            with zipfile.ZipFile(inputs.folder / "x.npz") as archive:
                whole: dict[str, bytes | int] = {name: archive.read(name) for name in archive.namelist()}
            zip_members(out / "x.npz", {**whole, **changes})

        return prepare

    changed: tuple[tuple[int, str, dict[str, bytes | int]], ...] = (
        (22, "labels that inflate to 300 MB", {"label.npy": INFLATED}),
        (22, "20 tables of 300 MB", {f"columns/c{number}.npy": INFLATED for number in range(20)}),
        (23, "a size below zero", {"label.npy": header((-12,), "<i4")}),
        (23, "texts that are not UTF-8", {"clip_id.npy": header((12,), "|S4") + b"\xff\xfe\xfd\xfc" * 12}),
    )
    for row, says, changes in changed:
        yield Case(row, says, taken, prepare=members(changes))
    for says, length in (("10^9 labels, HDF5", 10**9), ("10^11 labels, HDF5", 10**11)):
        yield Case(22, says, taken.replace("x.npz", "x.h5"), prepare=_unwritten("label", length))
    yield Case(23, "a member that is encrypted", taken, "encrypted", prepare=_encrypted)
    yield Case(22, "scores that inflate to 300 MB", "fuse a={out}/x.npz b={out}/x.npz",
               prepare=lambda inputs, out: zip_members(out / "x.npz", {
                   **{f"{name}.npy": header((0,)) for name in ("clip_id", "labels", "class_names", "kind")},
                   "scores.npy": INFLATED}))  # fmt: skip


def _unwritten(name: str, length: int) -> Prepare:
    """An HDF5 file with a table that claims a length and holds nothing."""

    def prepare(inputs: Inputs, out: Path) -> None:
        shutil.copy(inputs.folder / "x.h5", out / "x.h5")
        with h5py.File(out / "x.h5", "a") as file:
            dtype, attributes = file[name].dtype, dict(file[name].attrs)
            del file[name]
            file.create_dataset(name, (length,), dtype, chunks=(1 << 16,)).attrs.update(attributes)

    return prepare


def _encrypted(inputs: Inputs, out: Path) -> None:
    """Say of every member that it is encrypted, in its own header and in the list."""
    data = bytearray((inputs.folder / "x.npz").read_bytes())
    for sign, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = data.find(sign)
        while at >= 0:
            data[at + flags] |= 1
            at = data.find(sign, at + 4)
    (out / "x.npz").write_bytes(data)


def _annotations() -> Iterator[Case]:
    """Rows 13, 23 and 38: files of others."""

    def pickled(**changes: Any) -> Prepare:
        clip = {"frame_dir": "a", "label": 0, "total_frames": 4, "img_shape": (10, 10),
                "keypoint": np.zeros((1, 4, 17, 2), np.float32),
                "keypoint_score": np.ones((1, 4, 17), np.float32)} | changes  # fmt: skip
        return written("x.pkl", pickle.dumps({"split": {"xsub": ["a"]}, "annotations": [clip]}, protocol=4))

    taken = "archive import {out}/x.pkl {out}/s.zarr"
    yield Case(13, "PYSKL label 10^9", taken, codes=(0,), prepare=pickled(label=10**9))
    yield Case(23, "PYSKL, 2^40 frames", taken, codes=(0,), prepare=pickled(total_frames=2**40))
    many = pickled(keypoint=np.zeros((300, 4, 17, 2), np.float32), keypoint_score=np.ones((300, 4, 17)))
    yield Case(23, "PYSKL, 300 persons", taken, codes=(0,), prepare=many)
    for words in (
        "archive import {out}/fifo {out}/s.zarr --format pyskl",
        "archive import {out}/fifo {out}/s.zarr --format npz",
        "archive import {out}/fifo {out}/s.zarr --format coco --frame-size 64x64 --fps 25",
        "info {out}/fifo",
        "archive verify {out}/fifo",
        "fuse a={out}/fifo.npz b={out}/fifo.npz",
        "train {in}/store.zarr {out}/run --config {out}/fifo",
        f"extract {{in}}/clips.csv {{out}}/s.zarr {EXTRACT} --skeleton {{out}}/fifo",
        f"extract {{in}}/clips.csv {{out}}/s.zarr {EXTRACT} --keypoints {{out}}/fifo",
        f"{_WEIGHTS} --backend onnx --tap y --weights {{out}}/fifo",
        f"{_WEIGHTS} --backend hrnet-simcc --weights {{out}}/fifo",
        f"{_WEIGHTS} --backend yolo-pose --weights {{out}}/fifo".replace(" --detector full-frame", ""),
        "extract {out}/fifo {out}/s.zarr",
        "doctor {out}/fifo",
        "predict {in}/run {out}/fifo --out {out}/p.csv",
        "relabel {in}/store.zarr {out}/fifo --out {out}/r.zarr",
        "weights verify {out}/fifo",
    ):
        for name in ("a fifo", "/dev/zero"):
            given = words if name == "a fifo" else re.sub(r"\{out\}/fifo(\.npz)?", "/dev/zero", words)
            yield Case(38, f"{name} in place of a file", given, codes=(1, 2), prepare=_fifo)


def _fifo(inputs: Inputs, out: Path) -> None:
    for name in ("fifo", "fifo.npz"):
        os.mkfifo(out / name)


def _options() -> Iterator[Case]:
    """Row 36: YAML."""
    words = extract(more="--config {out}/o.yaml")
    for says, content in {
        "10^8 values by aliases": alias_bomb(), "3,000 brackets": "steps: " + "[" * 3000,
        "5,000 digits": "steps: " + "9" * 5000, "a key __path__": "__path__: 1\n",
        "5,000 levels": "a: " + "[" * LEVELS,
    }.items():  # fmt: skip
        yield Case(36, says, words, codes=(2,), prepare=written("o.yaml", content))


def _checkpoints(scratch: Path) -> Iterator[Case]:
    """Row 35: checkpoints."""
    hrnet = f"{_WEIGHTS} --backend hrnet-simcc --weights {{out}}/w.pth"

    def save(weights: Callable[[], dict[Any, torch.Tensor]]) -> Prepare:
        return lambda inputs, out: torch.save(weights(), out / "w.pth")

    branch, head = "stage2.0.branches.0.0.conv1.weight", "final_layer.weight"
    for says, weights in (
        ("keys that are numbers", lambda: {1: torch.zeros(2)}),
        ("empty heads", lambda: {head: torch.zeros(0, 3, 1, 1)}),
        (
            "10^9 channels",
            lambda: {branch: torch.zeros(1).expand(10**9, 1, 3, 3), head: torch.zeros(17, 1, 1, 1)},
        ),
    ):
        yield Case(35, f"HRNet: {says}", hrnet, prepare=save(weights))

    def vitpose(inputs: Inputs, out: Path) -> None:
        (out / "v").mkdir()
        sizes = {"hidden_size": 10**6, "num_hidden_layers": 1000, "image_size": [256, 192]}
        config = {"model_type": "vitpose", "architectures": ["VitPoseForPoseEstimation"],
                  "backbone_config": {"model_type": "vitpose_backbone", **sizes}}  # fmt: skip
        (out / "v" / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (out / "v" / "model.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")

    # Where torchvision does not match torch, transformers cannot be imported without the tests' stand-in.
    stand_in = Path("tests/fixtures/torchvision_shim.py").read_text(encoding="utf-8")
    words = f"{_WEIGHTS} --backend vitpose --weights {{out}}/v"
    yield Case(35, "ViTPose: config.json of 10^6 channels", words, "its network would take", prepare=vitpose,
               environment=patched(scratch / "torchvision", f"{stand_in}\n\ninstall()\n"))  # fmt: skip
