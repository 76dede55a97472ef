"""One case of benchmarks/occupancy.py, in a process of its own: by this build or an older one.

Usage: python occupancy_case.py '{"videos": [...], "persons": 2, "from_memory": false}'

The accelerator is a stand-in: its detector sleeps for 0.3 ms a frame and its pose network for 0.25 ms a
crop, once a batch, and both answer with what is made at once.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.networks.letterbox import letterbox
from heatpool.extract.records import CropSpec, Detections, Frame, PoseBatch
from heatpool.extract.video import decode
from heatpool.pipelines.process.malloc import keep_heap
from heatpool.pool.skeleton import COCO17_SKELETON

DETECT_S, POSE_S = 0.3e-3, 0.25e-3  # a frame, a crop: about what a large GPU takes


class Device:
    """Sleeps where a device would work."""

    def __init__(self) -> None:
        self.busy_s, self.frames, self.crops = 0.0, 0, 0

    def work(self, seconds: float) -> None:
        """Be busy for so long."""
        self.busy_s += seconds
        time.sleep(seconds)


class Walkers:
    """A detector whose persons stand side by side and walk on a little with each frame."""

    def __init__(self, device: Device, persons: int) -> None:
        self._device, self._persons = device, persons

    def prepare(self, frame: Frame) -> tuple[int, int, int]:
        """Make the letterbox, as networks of 640 pixels do; return what the answer is made of."""
        letterbox(frame.rgb, (640, 640), stride=32)
        return frame.index, frame.rgb.shape[1], frame.rgb.shape[0]

    def detect(self, given: Sequence[Any]) -> list[Detections]:
        """Answer for frames: what `prepare` gave, or in an older build the frames themselves."""
        given = [self.prepare(each) if isinstance(each, Frame) else each for each in given]
        self._device.frames += len(given)
        self._device.work(DETECT_S * len(given))
        return [self._people(*each) for each in given]

    def _people(self, number: int, width_px: int, height_px: int) -> Detections:
        first = np.arange(self._persons) / self._persons + 0.002 * (number % 64) + 0.02
        edges = np.stack([first, np.full_like(first, 0.1), first + 0.3, np.full_like(first, 0.9)], 1)
        boxes = edges * np.tile([width_px, height_px], 2)
        return Detections(boxes.astype(np.float32), np.linspace(0.9, 0.8, self._persons, dtype=np.float32))


class Poser:
    """A pose network of HRNet's crops and tiny's map, which says that everybody stands alike."""

    name, tap, channels = "stand-in", "map", 64
    tap_channels: tuple[int, ...] = (64,)
    joints, skeleton, weights_sha256 = 17, COCO17_SKELETON, ""
    crop = CropSpec(height_px=256, width_px=192)

    def __init__(self, device: Device) -> None:
        self._device = device
        self._joints = torch.stack([torch.linspace(60, 130, 17), torch.linspace(20, 240, 17)], 1)
        self._map = torch.rand(1, 64, 16, 12)

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        """Answer for a batch of crops, of which only their number counts."""
        count = len(crops)
        self._device.crops += count
        self._device.work(POSE_S * count)
        maps = self._map.expand(count, -1, -1, -1)
        return PoseBatch(self._joints.expand(count, -1, -1), torch.full((count, 17), 0.9), (maps,))


def keep_in_memory(video: Path) -> None:
    """Let decoding give the frames of this video for every one: they are decoded here, once."""
    reading: Any = decode  # it imports both names for its own use alone: what is put in their place, it calls
    info = reading.probe(video)
    frames = list(reading.iter_frames(video, np.arange(info.frames), info=info))

    def iter_frames(path: Path, wanted: np.ndarray, **named: Any) -> Iterator[Any]:
        return (frames[number] for number in wanted.tolist())

    reading.probe = lambda *given, **named: info
    reading.iter_frames = iter_frames


def measure(videos: Sequence[Path], *, persons: int, from_memory: bool) -> dict[str, float]:
    """Extract clips; return seconds on the clock and of the processor, and what the device did in them."""
    if from_memory:
        keep_in_memory(videos[0])
    device = Device()
    estimator = TopDown(Walkers(device, persons), Poser(device), device="cpu")
    jobs = [ClipJob(at, path) for at, path in enumerate(videos)]
    extract_clips(jobs[:1], EngineOptions(), estimator=estimator)  # imports, and the tables of the tracker
    device.busy_s, device.frames, device.crops = 0.0, 0, 0
    thread, process, begun = time.thread_time(), time.process_time(), time.perf_counter()
    outcomes = extract_clips(jobs, EngineOptions(), estimator=estimator)
    seconds = time.perf_counter() - begun
    processor_s, main_s = time.process_time() - process, time.thread_time() - thread
    assert all(each.result.persons == persons for each in outcomes)
    return {
        "seconds": seconds,
        "processor_s": processor_s,
        "main_s": main_s,
        "busy_s": device.busy_s,
        "frames": device.frames,
        "crops": device.crops,
    }


if __name__ == "__main__":
    keep_heap()  # as `heatpool extract` does
    torch.set_num_threads(1)
    asked = json.loads(sys.argv[1])
    print(json.dumps(measure([Path(each) for each in asked.pop("videos")], **asked)))
