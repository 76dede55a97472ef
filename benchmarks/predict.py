"""`heatpool predict` over a long video with overlapping windows: together, one by one, and by an older build.

Usage: python -m benchmarks.predict [--minutes 10] [--old OLD] [--videos ../shared/videos/fight]
           [--backend yolo-pose --weights yolo11n-pose.pt] [--threads 2]

OLD is a clone of the older build. VIDEOS has a folder of clips for each class; they follow each other, over
again, as one long video of 320 x 240. Without such a folder, and with the tiny networks, the clips are drawn.
The run is a linear classifier trained on these clips by the older build. Slots are filled as published
(--person-selection first), because the other rule has changed between builds. Networks have, too: the answers
are also compared with today's to windows that share nothing. Each case runs in a process of its own, in this
Python. Frames that are read (turned into pixels), frames that are looked at and persons that are posed are
counted inside it, and its resident memory is watched.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import psutil

from heatpool.extract.datasets.windows import windows
from heatpool.extract.demo.dataset import DemoSpec, render_demo
from heatpool.extract.video.reader import iter_frames, probe

ROOT = Path(__file__).parents[1]
FPS, SIZE_PX = 15, (320, 240)
WINDOW_S, STRIDE_S = 4, 2
WATCHED_EVERY_S = 0.2

# Runs a command of a build and counts what goes through the functions that both builds have.
_PROGRAM = """
import json, sys
from collections import Counter
from heatpool.extract.engine.estimators import OneStage, TopDown
from heatpool.extract.video import reader
from heatpool.pipelines import cli
counts = Counter()
def count(owner, name, what, size):
    function = getattr(owner, name)
    def counted(*given, **named):
        counts[what] += size(given)
        return function(*given, **named)
    setattr(owner, name, counted)
count(reader, "_convert", "read", lambda given: 1)
for estimator in (OneStage, TopDown):
    count(estimator, "detect", "looked_at", lambda given: len(given[1]))
    count(estimator, "pose", "posed", lambda given: len(given[1]))
code = cli.main(sys.argv[2:])
open(sys.argv[1], "w").write(json.dumps(counts))
sys.exit(code)
"""


@dataclass(frozen=True)
class Measured:
    """What a command took.

    Attributes:
        counts: frames read and looked at, persons posed.
        seconds: from start to end of the process.
        processor_s: processor time, on all cores.
        resident_mb: (n,) resident MiB over time.
    """

    counts: dict[str, int]
    seconds: float
    processor_s: float
    resident_mb: np.ndarray

    def third_mb(self, number: int) -> float:
        """Return the largest resident size in a third of the time."""
        return float(np.array_split(self.resident_mb, 3)[number].max())


def run(build: Path, scratch: Path, *arguments: str | Path) -> Measured:
    """Run a command of a build.

    Raises:
        RuntimeError: if it fails.
    """
    counts, said = scratch / "counts.json", scratch / "said.txt"
    command = [sys.executable, "-c", _PROGRAM, str(counts), *map(str, arguments)]
    resident, times = [], None
    with said.open("w") as file:
        begun = time.monotonic()
        # Not in the folder of a clone, which Python would import before PYTHONPATH.
        child = psutil.Popen(
            command,
            cwd=scratch,
            env={**os.environ, "PYTHONPATH": str(build)},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        while child.poll() is None:
            resident.append(child.memory_info().rss / 2**20)
            times = child.cpu_times()
            time.sleep(WATCHED_EVERY_S)
        seconds = time.monotonic() - begun
    if child.returncode:
        raise RuntimeError(f"{arguments[0]} by {build}: {said.read_text()[-800:]}")
    assert times is not None
    return Measured(json.loads(counts.read_text()), seconds, times.user + times.system, np.array(resident))


def join_clips(out: Path, clips: Sequence[Path], *, frames: int) -> None:
    """Encode clips one after the other, over again, as one video."""

    def pictures() -> Iterator[np.ndarray]:
        for clip in itertools.cycle(clips):
            info = probe(clip)
            wanted = np.arange(0, info.frames, max(round(info.fps / FPS), 1))
            yield from (cv2.resize(each.rgb, SIZE_PX) for each in iter_frames(clip, wanted, info=info))

    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height = SIZE_PX
        stream.options = {"preset": "veryfast"}
        for picture in itertools.islice(pictures(), frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


def prepare(build: Path, scratch: Path, options: argparse.Namespace) -> tuple[Path, Path]:
    """Make the long video, and train a run on the clips that it is made of; return both."""
    manifest, video = scratch / "clips.csv", scratch / "long.mp4"
    folder: Path = options.videos
    if options.backend == "tiny" or not folder.is_dir():
        folder = scratch / "drawn"
        manifest = render_demo(DemoSpec.small(), folder)
    else:
        run(build, scratch, "manifest", folder, manifest, "--test-fraction", "0.3", "--val-fraction", "0.3")
    clips = sorted(folder.rglob("*.mp4"))
    join_clips(video, clips, frames=round(options.minutes * 60 * FPS))
    networks = ["--backend", options.backend, "--person-selection", "first"]
    if options.weights:
        networks += ["--weights", options.weights]
    threads = ("--threads", str(options.threads), "--quiet")
    store, trained = scratch / "features.zarr", scratch / "run"
    run(build, scratch, "extract", manifest, store, *networks, *threads)
    run(build, scratch, "train", store, "--out", trained, "--model", "linear", *threads)
    return video, trained


def write_windows(out: Path, video: Path) -> None:
    """Write a manifest of the windows in which none follows one that it overlaps: first every other one."""
    end_s = probe(video).end_s
    spans = list(windows(0, end_s, window_s=WINDOW_S, stride_s=STRIDE_S))
    rows = [f"{span[0]},{video},{span[0]:.6f},{span[1]:.6f}" for span in (*spans[::2], *spans[1::2])]
    out.write_text("\n".join(["clip_id,path,start_s,end_s", *rows]) + "\n")


def answers(path: Path) -> dict[tuple[float, str], float]:
    """Return the probability of each window and class."""
    found = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            ranks = [name.removeprefix("label_") for name in row if name.startswith("label_")]
            for rank in ranks:
                key = float(row["start_s"]), row[f"label_{rank}"]
                found[key] = float(row[f"probability_{rank}"] or 0)
    return found


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--videos", type=Path, default=Path("../shared/videos/fight"))
    parser.add_argument("--backend", default="tiny")
    parser.add_argument("--weights")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    options.videos = options.videos.absolute()
    old: Path | None = options.old and options.old.absolute()
    measured, given = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        video, trained = prepare(old or ROOT, scratch, options)
        write_windows(scratch / "windows.csv", video)
        cut = (video, "--window-s", str(WINDOW_S), "--stride-s", str(STRIDE_S))
        cases = {"together": (ROOT, cut), "one by one": (ROOT, (scratch / "windows.csv",))}
        cases |= {"old build": (old, cut)} if old else {}
        for name, (build, what) in cases.items():
            out = scratch / f"{name}.csv"
            asked = ("--run", trained, *what, "--out", out, "--threads", str(options.threads), "--quiet")
            measured[name] = run(build, scratch, "predict", *asked)
            given[name] = answers(out)
        frames = probe(video).frames
    count = len({start_s for start_s, _ in given["together"]})
    print(f"{frames} frames, {count} windows, {options.backend}\n")
    print("| windows | read | looked at | posed | seconds | ratio | processor s | ratio ", end="")
    print("| MiB in each third | largest difference |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    wanted = given["together"]
    for name, each in measured.items():
        thirds = ", ".join(f"{each.third_mb(number):.0f}" for number in range(3))
        counts = " | ".join(str(each.counts.get(what, 0)) for what in ("read", "looked_at", "posed"))
        first = measured["together"]
        times = f"{each.seconds:.1f} | {each.seconds / first.seconds:.2f}"
        times += f" | {each.processor_s:.1f} | {each.processor_s / first.processor_s:.2f}"
        far = max(abs(given[name].get(key, 0) - share) for key, share in wanted.items())
        print(f"| {name} | {counts} | {times} | {thirds} | {far:.4f} |")


if __name__ == "__main__":
    main()
