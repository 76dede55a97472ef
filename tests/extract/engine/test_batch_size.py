from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from heatpool.extract.engine.batch_size import BatchHalver, Memory
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.records import PoseBatch
from heatpool.pool.errors import HeatpoolError
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker

CPU_SAYS = (
    "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 80000000 bytes."
)


class Room:
    """Doubles numbers, as many at once as there is room for."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.calls: list[int] = []

    def __call__(self, batch: Sequence[int]) -> list[int]:
        self.calls.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        return [2 * each for each in batch]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError(CPU_SAYS),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.56 GB)"),
        torch.cuda.OutOfMemoryError("whatever it says"),
        MemoryError(),
    ],
)
def test_batches_are_halved_until_they_fit_and_stay_so(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    room, halver = Room(3, error), BatchHalver("numbers", "--numbers")
    with caplog.at_level(logging.WARNING):
        parts = list(halver.run(room, range(10)))
        again = list(halver.run(room, range(7)))
    assert [each for part, _ in parts for each in part] == list(range(10))
    assert [each for _, results in parts for each in results] == [2 * each for each in range(10)]
    assert [len(part) for part, _ in again] == [3, 3, 1]
    assert room.calls == [10, 5, 3, 3, 3, 1, 3, 3, 1]
    assert caplog.messages == ["out of memory with 10 numbers at once: continuing with 5; --numbers sets it"]


def test_not_even_one_fits() -> None:
    with pytest.raises(HeatpoolError, match="not enough memory for one of numbers: .*DefaultCPUAllocator"):
        list(BatchHalver("numbers", "--numbers").run(Room(0, RuntimeError(CPU_SAYS)), [1, 2]))


def test_other_errors_are_not_memory() -> None:
    room = Room(0, RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError, match="shapes"):
        list(BatchHalver("numbers", "--numbers").run(room, [1, 2]))
    assert room.calls == [2]


_REAL = """
import logging
import resource
import torch
from heatpool.extract.engine.batch_size import BatchHalver

logging.basicConfig(format="%(message)s")
torch.set_num_threads(1)
torch.zeros(8).sum()
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmSize")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (used + 500 * 2**20, -1))
halver = BatchHalver("tensors", "--tensors")
work = lambda part: torch.zeros(len(part), 100 * 2**18).sum().item()  # 100 MiB each, 500 MiB are there
print([len(part) for part, _ in halver.run(work, range(8))])
"""


def test_memory_that_is_really_full() -> None:
    # Without what dask sets for its workers, and tests of this process may have left: other rules of malloc.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", _REAL], capture_output=True, text=True, check=False, env=plain
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[4, 4]\n"
    assert done.stderr == "out of memory with 8 tensors at once: continuing with 4; --tensors sets it\n"


class SmallDevice(AnalyticBackbone):
    """Has room for two crops."""

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        if len(crops) > 2:
            raise RuntimeError(CPU_SAYS)
        return super().forward(crops)


def test_the_engine_gives_the_same_in_smaller_batches(
    make_video: VideoMaker, caplog: pytest.LogCaptureFixture
) -> None:
    frames = []
    for step in range(12):
        frame = np.zeros((96, 128, 3), np.uint8)
        frame[32:64, 2 * step : 2 * step + 24] = 250
        frames.append(frame)
    jobs = [ClipJob(at, make_video(frames, f"{at}.mp4")) for at in range(3)]
    options = EngineOptions(persons=1, steps=8, frame_batch=4, person_batch=5)
    memory, small = Memory(), SmallDevice()
    large = extract_clips(
        jobs, options, estimator=TopDown(BrightDetector(), AnalyticBackbone(), device="cpu")
    )
    estimator = TopDown(BrightDetector(), small, device="cpu")
    outcomes = extract_clips(jobs, options, estimator=estimator, memory=memory)
    extract_clips(jobs, options, estimator=estimator, memory=memory)
    for outcome, wanted in zip(outcomes, large, strict=True):
        assert outcome.features is not None
        assert wanted.features is not None
        np.testing.assert_array_equal(outcome.features.pooled, wanted.features.pooled)
        np.testing.assert_array_equal(outcome.features.keypoints, wanted.features.keypoints)
    assert max(small.batches) == 2
    assert len(caplog.messages) == 1  # in the second call nothing is tried again
    assert "persons at once" in caplog.messages[0]
