"""The memory that stage one takes by length and number of clips, with the tiny networks.

Usage: python -m benchmarks.clip_memory
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.material import make_video
from benchmarks.memory import largest_resident_mb
from heatpool.extract.engine.engine import ClipJob, EngineOptions, extract_clips
from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.networks.detectors import FullFrame
from heatpool.extract.networks.tiny import load_tiny_backbone
from heatpool.pipelines.process.malloc import keep_heap

CASES = ((1, 100), (1, 1_000), (1, 10_000), (64, 16), (256, 16))  # clips, frames each
SHARD = 64


def measure(clips: int, frames: int) -> str:
    """Extract clips of so many frames, 64 at a time as in a shard; return a row of the table.

    Several clips have 8 steps, so that 16 frames of each are read.
    """
    keep_heap()  # as `heatpool extract` does
    options = EngineOptions(steps=8 if clips > 1 else 64)
    with tempfile.TemporaryDirectory() as folder:
        video = make_video(Path(folder) / "long.mp4", frames, source=None, width_px=640, height_px=480)
        estimator = TopDown(FullFrame(), load_tiny_backbone(), device="cpu")
        before, begun = largest_resident_mb(), time.perf_counter()
        jobs = [ClipJob(clip, _link(video, clip)) for clip in range(clips)]
        for first in range(0, clips, SHARD):
            extract_clips(jobs[first : first + SHARD], options, estimator=estimator)
        seconds = time.perf_counter() - begun
    return f"| {clips} | {frames} | {before:.0f} | {largest_resident_mb():.0f} | {seconds:.1f} |"


def _link(video: Path, clip: int) -> Path:
    """Give a video another name: clips of one video would be read together."""
    link = video.with_name(f"{clip}.mp4")
    link.symlink_to(video)
    return link


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    case = parser.parse_args().case
    if case:
        print(measure(*case))
        return
    print("| clips | frames each | MB before | MB at the peak | seconds |\n|---|---|---|---|---|", flush=True)
    for clips, frames in CASES:  # a process each, because a peak never falls
        command = [sys.executable, "-m", "benchmarks.clip_memory", "--case", str(clips), str(frames)]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
