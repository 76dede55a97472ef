"""A run whose features come from real videos by a small network, so that `predict` can make them again."""

from __future__ import annotations

import csv
from pathlib import Path

import av
import numpy as np

from heatpool.pipelines.cli import main
from tests.fixtures.onnx_networks import heatmap_network

CLASSES = ("rise", "fall")


def make_clip(path: Path, levels: np.ndarray, *, size_px: tuple[int, int] = (64, 48), fps: int = 25) -> Path:
    """Write a video of plain grey frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size_px, "yuv420p"
        for level in levels:
            frame = np.full((size_px[1], size_px[0], 3), round(float(level)), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def make_manifest(folder: Path, *, clips: int = 16, class_names: tuple[str, ...] = CLASSES) -> Path:
    """Write videos that get brighter or darker, and their manifest."""
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["clip_id", "path", "class_name", "subject", "xsub"])
        for row in range(clips):
            ramp = np.linspace(40, 200, 12 + row % 3)
            make_clip(folder / "videos" / f"{row}.mp4", ramp if row % 2 == 0 else ramp[::-1])
            part = ("train", "train", "val", "test")[(row // 2) % 4]
            name = class_names[row % 2]
            writer.writerow([f"clip{row}", f"videos/{row}.mp4", name, f"p{(row // 2) % 4}", part])
    return folder / "clips.csv"


def extract(manifest: Path, out: Path, network: Path, *, tap: str = "brightness", **options: object) -> int:
    """Run stage one on a manifest with a network of `heatmap_network`."""
    words = [f"--{name}={value}" for name, value in options.items()]
    return main(
        [
            "extract", "--videos", str(manifest), "--out", str(out), "--backend", "onnx", "--weights",
            str(network), "--tap", tap, "--detector", "full-frame", "--steps", "8", "--persons", "1",
            "--device", "cpu", "--threads", "1", "--quiet", *words,
        ]
    )  # fmt: skip


def train(store: Path, out: Path, *words: str) -> int:
    """Train the fastest classifier."""
    return main(
        [
            "train", "--features", str(store), "--out", str(out), "--model", "linear", "--streams", "joint",
            "--device", "cpu", "--threads", "1", "--quiet", *words,
        ]
    )  # fmt: skip


def make_run(folder: Path) -> Path:
    """Make videos, store and run in a folder; return the run."""
    manifest = make_manifest(folder)
    network = heatmap_network(folder / "pose.onnx")
    assert extract(manifest, folder / "features.zarr", network) == 0
    assert train(folder / "features.zarr", folder / "run") == 0
    return folder / "run"
