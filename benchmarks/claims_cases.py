"""Every kind of file that a command reads, as one that claims far more than it holds."""

from __future__ import annotations

import json
import pickle
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.claims_files import (
    HUGE,
    INFLATED,
    LEVELS,
    Claim,
    Maker,
    alias_bomb,
    edit_json,
    header,
    zip_members,
)
from benchmarks.claims_networks import networks
from benchmarks.claims_stores import archives, exports, stores

__all__ = ["claims"]


def claims(folder: Path, store: Path, run: Path) -> Iterator[Claim]:
    """Make the files in `folder` one by one, and say what is to be done with each.

    Args:
        folder: an empty one.
        store: a small finished feature store.
        run: a trained run on it.
    """
    maker = Maker(folder, store)
    for make in (stores, archives, exports, _arrays, _annotations, _tables, _keypoints, _texts):
        yield from make(maker)
    yield from _runs(maker, run)
    yield from networks(maker)


def _arrays(maker: Maker) -> Iterator[Claim]:
    folder = maker.path("npy")
    folder.mkdir()
    (folder / "a.npy").write_bytes(header((10, HUGE)))
    yield Claim(
        "frame features .npy",
        "10^13 values",
        ("archive import", str(folder), f"{folder}.zarr", "--format", "features"),
    )
    yield Claim(
        "published .npy",
        "10^13 values",
        ("archive import", str(folder), f"{folder}.n.zarr", "--format", "npy"),
    )
    folder = maker.path("npz")
    folder.mkdir()
    zip_members(folder / "a.npz", {"a.npy": header((300, 250_000)) + bytes(300_000_000)})
    yield Claim(
        "frame features .npz",
        "300 MB of zeros",
        ("archive import", str(folder), f"{folder}.zarr", "--format", "features"),
    )


def _annotations(maker: Maker) -> Iterator[Claim]:
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


def _tables(maker: Maker) -> Iterator[Claim]:
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
    yield Claim(
        "boxes", "500,000 of other videos", ("extract", str(clips), f"{boxes}.zarr", *given, str(boxes))
    )
    boxes = maker.path("frames.csv")
    boxes.write_text(f"path,frame,x1,y1,x2,y2,score\nvideos/a.mp4,{HUGE},1,1,20,20,0.9\n", encoding="utf-8")
    yield Claim("boxes", "frame 10^12", ("extract", str(clips), f"{boxes}.zarr", *given, str(boxes)))


def _keypoints(maker: Maker) -> Iterator[Claim]:
    def take(path: Path, says: str, kind: str) -> Claim:
        words = ("archive import", str(path), f"{path}.zarr", "--format", kind, "--frame-size", "64x64")
        return Claim(f"keypoints, {kind}", says, (*words, "--fps", "25"))

    for kind in ("coco", "mmpose", "alphapose", "sleap"):
        path = maker.path(f"deep_{kind}.json")
        path.write_text("[" * LEVELS + "]" * LEVELS, encoding="utf-8")
        yield take(path, "brackets in brackets", kind)
    path = maker.path("frames.json")
    path.write_text(
        json.dumps(
            [{"frame_id": HUGE, "instances": [{"keypoints": [[1, 1]] * 17, "keypoint_scores": [1] * 17}]}]
        )
    )
    yield take(path, "frame 10^12", "mmpose")
    path = maker.path("frames.skeleton")
    path.write_text(f"{HUGE}\n{HUGE}\n", encoding="utf-8")
    yield take(path, "10^12 frames", "ntu")
    path = maker.path("ctrgcn.npz")
    zip_members(
        path, {f"{name}.npy": header((HUGE, 300, 150)) for name in ("x_train", "y_train", "x_test", "y_test")}
    )
    yield take(path, "10^12 clips", "ctrgcn")
    path = maker.path("inflates.npz")
    zip_members(path, {"x_train.npy": header((1_600, 300, 150)) + bytes(INFLATED), "y_train.npy": INFLATED,
                "x_test.npy": header((0, 300, 150)), "y_test.npy": header((0, 60))})  # fmt: skip
    yield take(path, "300 MB of zeros", "ctrgcn")
    path = maker.path("landmarks.npy")
    path.write_bytes(header((HUGE, 33, 3)))
    yield take(path, "10^12 frames", "mediapipe")
    for kind, name, shape in (
        ("sleap", "tracks", (1, 2, 17, 10**9)),
        ("deeplabcut", "df_with_missing", (10**9,)),
    ):
        path = maker.path(f"{kind}.h5")
        with h5py.File(path, "w") as file:
            file.create_dataset(name, shape, "f8", chunks=tuple(min(side, 1 << 14) for side in shape))
            file.create_dataset("node_names", (10**9,), h5py.string_dtype(), chunks=(1 << 16,))
            file.create_dataset("track_names", (10**9,), h5py.string_dtype(), chunks=(1 << 16,))
        yield take(path, "10^9 frames", kind)


def _texts(maker: Maker) -> Iterator[Claim]:
    out = str(maker.path("yaml.run"))
    for number, (says, text) in enumerate(
        {"10^8 values by aliases": alias_bomb(), "brackets in brackets": "a: " + "[" * LEVELS}.items()
    ):
        path = maker.path(f"options{number}.yaml")
        path.write_text(text, encoding="utf-8")
        yield Claim("options in YAML", says, ("train", str(maker.store), out, "--config", str(path)))
        path = maker.path(f"skeleton{number}.yaml")
        path.write_text(text + "joints: *h\n" if number == 0 else text, encoding="utf-8")
        words = ("archive import", str(maker.path("landmarks.npy")), f"{path}.zarr", "--skeleton", str(path))
        yield Claim("skeleton in YAML", says, words)


def _runs(maker: Maker, run: Path) -> Iterator[Claim]:
    out = maker.path
    archives: dict[str, dict[str, bytes | int]] = {
        "10^12 scores": {"scores.npy": header((HUGE, 4))},
        "scores that inflate to 300 MB": {"scores.npy": INFLATED},
        "texts of 1 GB each": {"clip_id.npy": header((11,), "<U250000000")},
    }
    for number, (says, members) in enumerate(archives.items()):
        path = out(f"scores{number}.npz")
        whole: dict[str, bytes | int] = {
            f"{name}.npy": header((0,)) for name in ("clip_id", "scores", "labels", "class_names", "kind")
        }
        zip_members(path, {**whole, **members})
        yield Claim("scores .npz", says, ("fuse", f"a={path}", f"b={path}"))
    path = out("0_best_score.npy")
    path.write_bytes(header((HUGE, 60)))
    out("0_best_name.txt").write_text("a\n", encoding="utf-8")
    yield Claim(
        "scores .npy", "10^12 clips", ("fuse", f"a={path}", f"b={path}", "--labels", str(maker.store))
    )
    weights = struct.pack("<Q", HUGE) + b"{}"
    head = json.dumps({"a": {"dtype": "F32", "shape": [HUGE], "data_offsets": [0, 4 * HUGE]}}).encode()

    def changes(name: str, data: bytes) -> Callable[[Path], None]:
        def change(folder: Path) -> None:
            for each in folder.rglob(name):
                each.write_bytes(data)

        return change

    deep = b"[" * LEVELS + b"]" * LEVELS
    for number, (kind, says, change) in enumerate(
        (
            ("run, config.yaml", "10^8 values by aliases", changes("config.yaml", alias_bomb().encode())),
            ("run, summary.json", "brackets in brackets", changes("summary.json", deep)),
            ("run, best.json", "brackets in brackets", changes("best.json", deep)),
            ("run, best.safetensors", "a header of 10^12 bytes", changes("best.safetensors", weights)),
            (
                "run, best.safetensors",
                "10^12 values",
                changes("best.safetensors", struct.pack("<Q", len(head)) + head),
            ),
            ("run, best.json", "10^9 channels", _in_side(shape={"channels": 10**9})),
            (
                "run, best.json",
                "300,000 classes and channels",
                _in_side(shape={"channels": 300_000, "classes": 300_000}),
            ),
            ("run, scores", "10^12 scores", changes("scores_*.npz", out("scores0.npz").read_bytes())),
        )
    ):
        folder = out(f"run{number}")
        shutil.copytree(run, folder)
        change(folder)
        yield Claim(kind, says, ("evaluate", str(folder), "--out", f"{folder}.out"))
        yield Claim(
            kind, says, ("predict", str(folder), "--features", str(maker.store), "--out", f"{folder}.csv")
        )
        yield Claim(kind, says, ("compare", str(folder), str(folder)))


def _in_side(**changes: dict[str, Any]) -> Callable[[Path], None]:
    def change(side: dict[str, Any]) -> None:
        for key, values in changes.items():
            side[key].update(values)

    def changed(run: Path) -> None:
        for each in run.rglob("best.json"):
            edit_json(each, change)

    return changed
