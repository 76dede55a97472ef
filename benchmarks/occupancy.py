"""How busy stage one keeps an accelerator and what that costs the host, with a stand-in that only takes time.

Usage: python -m benchmarks.occupancy [--old CLONE] [--video REAL.mp4] [--clips 24]

The stand-in's detector sleeps 0.3 ms a frame and its pose network 0.25 ms a crop, once a batch: about what a
large GPU takes. Everything else is the engine's own: decoding, letterbox to 640 pixels, cutting out,
tracking, resampling. From memory, the frames are decoded already. CLONE is a clone of an older build, which
runs the same cases in turn, in this Python. A case is a process of its own, benchmarks/occupancy_case.py.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.material import make_video

ROOT = Path(__file__).parents[1]
SIZES_PX = ((256, 192), (1920, 1080))
FRAMES = 64  # of a clip: all are read
HEADS = (
    "frames",
    "persons",
    "from",
    "build",
    "busy",
    "frames/s",
    "CPU ms a frame",
    "CPU ms a crop",
    "main thread, ms a crop",
    "busy, times old",
    "CPU, share of old",
)


@dataclass(frozen=True)
class Case:
    """What a process measures.

    Attributes:
        size_px: width and height of the frames.
        persons: in each frame.
        from_memory: frames are decoded already.
    """

    size_px: tuple[int, int]
    persons: int
    from_memory: bool


@dataclass(frozen=True)
class Measured:
    """What it took: seconds on the clock, of all threads and of the main one, and what the device did."""

    seconds: float
    processor_s: float
    main_s: float
    busy_s: float
    frames: int
    crops: int

    @property
    def busy(self) -> float:
        """Share of the time in which the device works."""
        return self.busy_s / self.seconds


def run(case: Case, videos: list[Path], build: Path, scratch: Path) -> Measured:
    """Run a case in a build.

    Raises:
        subprocess.CalledProcessError: if it fails.
    """
    asked = {
        "videos": [str(each) for each in videos],
        "persons": case.persons,
        "from_memory": case.from_memory,
    }
    # Not in the folder of a clone, which Python would import before PYTHONPATH.
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "occupancy_case.py"), json.dumps(asked)],
        cwd=scratch,
        env={**os.environ, "PYTHONPATH": str(build)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def rows(case: Case, measured: dict[str, Measured]) -> Iterator[str]:
    """Yield a line of the table for each build, this one last and compared with the old one."""
    old = measured.get("old")
    for name, each in measured.items():
        cells = [
            f"{case.size_px[0]} x {case.size_px[1]}",
            str(case.persons),
            "memory" if case.from_memory else "files",
            name,
            f"{each.busy:.0%}",
            f"{each.frames / each.seconds:.0f}",
            f"{1000 * each.processor_s / each.frames:.2f}",
            f"{1000 * each.processor_s / each.crops:.2f}",
            f"{1000 * each.main_s / each.crops:.3f}",
            f"{each.busy / old.busy:.1f}" if old else "",
            f"{each.processor_s / old.processor_s:.2f}" if old else "",
        ]
        yield f"| {' | '.join(cells)} |"


def make_clips(folder: Path, size_px: tuple[int, int], count: int, source: Path | None) -> list[Path]:
    """Return one video under several names: clips of one name would be read together."""
    width_px, height_px = size_px
    video = make_video(
        folder / f"{width_px}.mp4", FRAMES, source=source, width_px=width_px, height_px=height_px
    )
    links = [folder / f"{width_px}_{number}.mp4" for number in range(count)]
    for link in links:
        link.symlink_to(video)
    return links


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--old", type=Path, help="clone of an older build")
    parser.add_argument("--video", type=Path, help="real video; default rendered frames")
    parser.add_argument("--clips", type=int, default=24, help="of 256 x 192; of 1080p a quarter as many")
    options = parser.parse_args()
    builds = {"old": options.old.absolute()} if options.old else {}
    builds |= {"this": ROOT}
    print(f"| {' | '.join(HEADS)} |\n|{'---|' * len(HEADS)}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for size_px in SIZES_PX:
            count = options.clips if size_px == SIZES_PX[0] else max(options.clips // 4, 1)
            videos = make_clips(scratch, size_px, count, options.video)
            for persons, from_memory in product((1, 2), (True, False)):
                case = Case(size_px, persons, from_memory)
                measured = {name: run(case, videos, build, scratch) for name, build in builds.items()}
                print("\n".join(rows(case, measured)), flush=True)


if __name__ == "__main__":
    main()
