"""What tests of many workers and many faults share: clips, real processes, and what must be equal."""

from __future__ import annotations

import hashlib
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.program import PROGRAM


def make_clips(make_video: VideoMaker, folder: Path, *, clips: int, frames: int = 40) -> Path:
    """Clips of moving blocks, so that every clip and step has other features."""
    for number in range(clips):
        pictures = []
        for step in range(frames):
            picture = np.full((96, 128, 3), 15, np.uint8)
            picture[20:80, (2 * step + 5 * number) % 90 :][:, :32] = 40 + 9 * number
            pictures.append(picture)
        make_video(pictures, f"{folder.name}/{'ab'[number % 2]}/{number:02}.mp4")
    return folder


def network_options(folder: Path) -> list[str]:
    """Options of a real, small network on one thread of the CPU; a shard is a clip."""
    network = heatmap_network(folder / "pose.onnx")
    words = "--tap brightness --detector full-frame --steps 16 --persons 1 --shard-clips 1 --device cpu"
    return ["--backend", "onnx", "--weights", str(network), *words.split(), "--threads", "1"]


def heatpool(*arguments: str | Path, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the program in a session of its own, so that signals go to it alone."""
    return subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=environment,
    )


def finish(process: subprocess.Popen[str], *, timeout_s: float = 200) -> tuple[int, list[str]]:
    """Return the exit code and what was said, line by line."""
    _, said = process.communicate(timeout=timeout_s)
    assert "Traceback" not in said, said
    return process.returncode, said.splitlines()


def journalled(store: Path) -> int:
    """Count finished shards."""
    return sum(1 for _ in store.glob("journal/**/*.json"))


def wait_until(
    condition: Callable[[], bool], process: subprocess.Popen[str], *, seconds: float = 120
) -> None:
    """Wait for a condition while a process runs."""
    end = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, f"ended before: {process.communicate()[1]}"
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


def array_bytes(store: Path) -> dict[str, str]:
    """Digest of every file of the arrays, by name; journal and run.json tell of the run, not of the data."""
    files = {path.relative_to(store).as_posix(): path for path in store.rglob("*") if path.is_file()}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for name, path in sorted(files.items())
        if not name.startswith(("journal/", "run.json", "failures.csv", "finished.json"))
    }
