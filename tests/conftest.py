"""Fixtures for all tests: tiny videos, an analytic pose network, one torch thread, a real GPU or none."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from hypothesis import settings

from heatpool.extract.records import CropSpec, Detections, Frame, PoseBatch
from heatpool.pool.skeleton import Skeleton

# No timed tests (machines differ), and the same examples in every run.
settings.register_profile("heatpool", deadline=None, derandomize=True)
settings.load_profile("heatpool")

# No test asks a server for weights, but those in tests/real; the programs that tests start inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["PIP_NO_INDEX"] = "1"

VideoMaker = Callable[..., Path]

torch.set_num_threads(1)  # with a process a core, more threads would wait for each other


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as shells start what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """A command that ran in this process leaves its own number."""
    yield
    torch.set_num_threads(1)


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    if torch.cuda.is_available() or os.environ.get("FAIL_WITHOUT_CUDA") == "1":
        return  # with the variable set, a GPU test without a GPU runs and fails
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="no GPU"))


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """A folder in memory where there is one: flushing is free there, and a kill is no power cut."""
    in_memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=in_memory) as folder:
        yield Path(folder)


def gray_frames(count: int, *, width: int = 64, height: int = 48) -> list[np.ndarray]:
    """Frames whose number can be read back from their grey level (3 levels a frame)."""
    return [np.full((height, width, 3), 20 + 3 * number, np.uint8) for number in range(count)]


@pytest.fixture
def make_video(tmp_path: Path) -> VideoMaker:
    """Return a function that encodes RGB frames into a real video file."""

    def make(
        frames: Sequence[np.ndarray],
        name: str = "clip.mp4",
        *,
        fps: int = 25,
        codec: str = "libx264",
        gop: int = 12,
        x264: str = "",
        options: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream(codec, rate=fps)
            height, width = frames[0].shape[:2] if len(frames) else (48, 64)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.codec_context.gop_size = gop
            if codec == "libx264":
                stream.options = {"crf": "10", "x264-params": x264}
            if options:
                stream.options = options
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
        return path

    return make


class FrameDetector:
    """A detector that looks at frames as they are."""

    def prepare(self, frame: Frame) -> Frame:
        return frame


class BrightDetector(FrameDetector):
    """Finds one person: the box around all pixels above a grey level; none in a dark frame."""

    def __init__(self, level: int = 128) -> None:
        self.level = level
        self.calls: list[int] = []

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.calls.append(len(frames))
        return [self._one(frame.rgb) for frame in frames]

    def _one(self, rgb: np.ndarray) -> Detections:
        rows, columns = np.nonzero(rgb.mean(2) > self.level)
        if not len(rows):
            return Detections.none()
        box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        return Detections(np.array([box], np.float32), np.full(1, 0.9, np.float32))


class AnalyticBackbone:
    """Pools to what is known by hand: channel 0 = x and 1 = y of the sampling position, 2 = brightness.

    It has two joints, at a quarter and at three quarters of the crop's width, half of its height, and two
    maps of different sizes: the first holds x, the second the rest.
    """

    name, tap, tap_channels, channels, joints, weights_sha256 = "analytic", "x+rest", (1, 2), 3, 2, ""
    skeleton = Skeleton.unnamed(2)
    crop = CropSpec(height_px=32, width_px=24, mean=(0, 0, 0), std=(1, 1, 1), padding=1.0)

    def __init__(self) -> None:
        self.batches: list[int] = []

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        count = len(crops)
        self.batches.append(count)
        joints = torch.tensor([[6.0, 16.0], [18.0, 16.0]]).expand(count, 2, 2)
        x = torch.linspace(-1, 1, 7).expand(count, 1, 9, 7)
        y = torch.linspace(-1, 1, 5)[:, None].expand(count, 1, 5, 4)
        bright = (crops.float() / 255).mean((1, 2, 3)).view(-1, 1, 1, 1).expand(count, 1, 5, 4)
        return PoseBatch(joints, torch.full((count, 2), 0.5), (x, torch.cat([y, bright], 1)))


@pytest.fixture
def detector() -> BrightDetector:
    return BrightDetector()


@pytest.fixture
def backbone() -> AnalyticBackbone:
    return AnalyticBackbone()
