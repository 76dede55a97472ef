"""A long run under accidents, and one without: workers killed, the disk filled, the clock set back.

Usage: python -m benchmarks.long_run [--clips 20000] [--kill-every-s 60] [--write docs/faults.md]

Tiny clips go through `heatpool extract --workers 2` twice. In the second run a worker is killed (SIGKILL)
again and again; at a third of the clips the disk is filled, so that the run ends and has to be resumed; from
two thirds on the clock of all its processes is a day behind. That store lies on a file system of its own, in
memory, which only this benchmark sees (Linux: `unshare`). The clock is what `time.time` tells in these
processes: the system's own is left alone, as other programs go by it.
Exit code 1 unless in the end every clip is ok, all bytes of both stores' arrays are equal, and no process
grows: none of either run is ever more than a tenth above the largest of the undisturbed run's second quarter.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil

from benchmarks.blocks import replace_block
from benchmarks.material import make_video
from benchmarks.small_disk import fill, mount, run_in_namespace
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore

_PROGRAM = (sys.executable, "-c", "import sys; from heatpool.pipelines.cli import main; sys.exit(main())")
_NETWORKS = "--backend tiny --detector full-frame --steps 8 --persons 1 --workers 2 --threads 2 --device cpu"
_VIDEOS, _FRAMES = 24, 8
_STARTED_S = 8.0  # of processor time; a worker that is killed as it starts ends the run, by a line
_QUARTERS = (0.25, 0.5, 0.75, 1.0)

# Loaded by every Python with its folder on the path.
_CLOCK = """
import os, time

true, true_ns = time.time, time.time_ns

def behind():
    return 86400 if os.path.exists({flag!r}) else 0

time.time = lambda: true() - behind()
time.time_ns = lambda: true_ns() - behind() * 10**9
"""


@dataclass(frozen=True)
class Sample:
    """Sizes at a moment.

    Attributes:
        done: share of the shards that are finished.
        main_mb: resident size of the program.
        worker_mb: that of its largest worker, 0 without one.
    """

    done: float
    main_mb: float
    worker_mb: float


class End(NamedTuple):
    """How a start of the program ended: exit code, last line of its own, shards that it found lost."""

    code: int
    line: str
    lost: int


@dataclass(frozen=True)
class Run:
    """A run to its end.

    Attributes:
        seconds: of the wall clock, all starts together.
        ends: of each start of the program.
        samples: one a second.
        killed: workers.
    """

    seconds: float
    ends: tuple[End, ...]
    samples: tuple[Sample, ...]
    killed: int = 0

    def largest_mb(self, upto: float) -> tuple[float, float]:
        """Return the largest sizes of the program and of a worker in the quarter that ends there."""
        found = [each for each in self.samples if upto - 0.25 < each.done <= upto]
        none = float("nan")  # a run of a few seconds: nothing was seen, and nothing is shown to be flat
        return (
            max((each.main_mb for each in found), default=none),
            max((each.worker_mb for each in found), default=none),
        )

    def within(self, main_mb: float, worker_mb: float) -> bool:
        """Whether no process is at any time more than a tenth larger."""
        return all(
            each.main_mb <= 1.1 * main_mb and each.worker_mb <= 1.1 * worker_mb for each in self.samples
        )


class Disturbances:
    """Accidents, each at its time."""

    def __init__(self, disk: Path, clock: Path, kill_every_s: float) -> None:
        self._ballast, self._clock, self._every_s = disk / "ballast", clock, kill_every_s
        self._next_s = time.monotonic() + kill_every_s
        self._filled = False
        self.killed = 0

    def happen(self, workers: Sequence[psutil.Process], done: float) -> None:
        """Let happen what is due when a share of the shards is finished."""
        if done > 1 / 3 and not self._filled:
            self._filled = True
            fill(self._ballast)
        if done > 2 / 3:
            self._clock.touch()
        working = [each for each in workers if sum(each.cpu_times()[:2]) > _STARTED_S]
        if working and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + self._every_s
            working[self.killed % len(working)].send_signal(signal.SIGKILL)
            self.killed += 1

    def make_room(self) -> bool:
        """Remove what fills the disk; return whether anything did."""
        full = self._ballast.exists()
        self._ballast.unlink(missing_ok=True)
        return full


def make_clips(folder: Path, clips: int) -> Path:
    """Make a manifest of so many clips: links to some videos of drawn people."""
    (folder / "videos").mkdir(parents=True)
    rows = ["path"]
    for number in range(clips):
        path = folder / "videos" / f"{number:05}.mp4"
        if number < _VIDEOS:
            make_video(path, _FRAMES + number % 5, source=None, width_px=96, height_px=72)
        else:
            path.hardlink_to(folder / "videos" / f"{number % _VIDEOS:05}.mp4")
        rows.append(f"videos/{path.name}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "clips.csv"


def start(
    words: Sequence[str],
    out: Path,
    shards: int,
    environment: Mapping[str, str],
    happen: Callable[[Sequence[psutil.Process], float], None],
) -> tuple[End, list[Sample]]:
    """Run the program to its end; return how it ended, and its sizes."""
    samples: list[Sample] = []
    with tempfile.TemporaryFile("w+") as said:
        command = [*_PROGRAM, "extract", *words, "--quiet"]
        process = subprocess.Popen(command, stderr=said, env=environment, start_new_session=True)
        program = psutil.Process(process.pid)
        while process.poll() is None:
            done = sum(1 for _ in out.glob("journal/**/*.json")) / shards
            try:
                # A worker is a child that multiprocessing spawned.
                workers = [each for each in program.children() if "spawn_main" in " ".join(each.cmdline())]
                sizes = [each.memory_info().rss / 2**20 for each in (program, *workers)]
                samples.append(Sample(done, sizes[0], max(sizes[1:], default=0.0)))
                happen(workers, done)
            except psutil.NoSuchProcess:
                pass  # it ended meanwhile
            time.sleep(1.0)
        said.seek(0)
        lines = said.read().splitlines()
    own = [line for line in lines if line.startswith("heatpool ")]
    lost = sum("was lost after it had been written" in line for line in lines)
    return End(process.returncode, own[-1] if own else "", lost), samples


def run(
    words: Sequence[str],
    out: Path,
    shards: int,
    environment: Mapping[str, str],
    disturbances: Disturbances | None = None,
) -> Run:
    """Extract once, and resume what ended because the disk was full.

    Raises:
        SystemExit: if it ends for any other reason.
    """
    begun = time.monotonic()
    ends: list[End] = []
    samples: list[Sample] = []
    resume: list[str] = []
    happen = disturbances.happen if disturbances else lambda workers, done: None
    while True:
        end, found = start([*words, str(out), *resume], out, shards, environment, happen)
        ends.append(end)
        samples += found
        if end.code == 0:
            killed = disturbances.killed if disturbances else 0
            return Run(time.monotonic() - begun, tuple(ends), tuple(samples), killed)
        if not (disturbances and disturbances.make_room()):
            raise SystemExit(f"the run ended with exit code {end.code}: {end.line}")
        resume = ["--resume"]


def array_digest(store: Path) -> str:
    """Digest of all files of a store's arrays; journal and run.json tell of the run, not of the data."""
    digest = hashlib.sha256()
    for path in sorted(store.rglob("c/**/*")):
        if path.is_file():
            digest.update(path.relative_to(store).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()


def report(clips: int, kill_every_s: float, plain: Run, disturbed: Run) -> str:
    """Return the table."""
    line = disturbed.ends[0].line.rpartition("/")[2]
    lost = [sum(end.lost for end in each.ends) for each in (plain, disturbed)]
    rows = [
        "| | undisturbed | under accidents |",
        "|---|---|---|",
        f"| clips, all ok, bytes of the arrays equal | {clips:,} | {clips:,} |",
        f"| workers killed, one every {kill_every_s:g} s | 0 | {disturbed.killed} |",
        f"| starts of the program | 1 | {len(disturbed.ends)} |",
        f"| ended the first by | | {line} (exit code {disturbed.ends[0].code}) |",
        f"| shards lost after they were written, and done again | {lost[0]} | {lost[1]} |",
        f"| seconds | {plain.seconds:.0f} | {disturbed.seconds:.0f} |",
    ]
    for upto in _QUARTERS:
        sizes = ["{:.0f}; {:.0f}".format(*each.largest_mb(upto)) for each in (plain, disturbed)]
        name = f"largest MiB of program; of a worker, up to {upto:.0%} of the clips"
        rows.append(f"| {name} | {' | '.join(sizes)} |")
    return "\n".join(rows)


def measure(options: argparse.Namespace, folder: Path, disk: Path) -> tuple[str, bool]:
    """Run both; return the table and whether all is as it should be."""
    clips = make_clips(folder, options.clips)
    shards = -(-options.clips // options.shard_clips)
    words = ["--videos", str(clips), *_NETWORKS.split(), "--shard-clips", str(options.shard_clips), "--out"]
    clock, site = folder / "behind", folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(_CLOCK.format(flag=str(clock)), encoding="utf-8")
    paths = os.pathsep.join(filter(None, (str(site), os.getcwd(), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    stores = folder / "plain.zarr", disk / "disturbed.zarr"
    plain = run(words, stores[0], shards, environment)
    accidents = Disturbances(disk, clock, options.kill_every_s)
    disturbed = run(words, stores[1], shards, environment, accidents)
    found = [Counter(Status(each).name for each in FeatureStore.open(store).clips.status) for store in stores]
    ok = all(each == {"OK": options.clips} for each in found)
    equal = array_digest(stores[0]) == array_digest(stores[1])
    # Workers that are killed begin small again, so the disturbed run's own quarters are no measure.
    early = plain.largest_mb(0.5)
    flat = plain.within(*early), disturbed.within(*early)
    print(f"all ok: {ok}, bytes equal: {equal}, flat: {flat[0]}, {flat[1]}", file=sys.stderr)
    if not ok:
        said = [(store / "failures.csv").read_text(encoding="utf-8") for store in stores]
        print(*map(dict, found), *said, sep="\n", file=sys.stderr)
    table = report(options.clips, options.kill_every_s, plain, disturbed)
    return table, ok and equal and all(flat)


def main() -> int:
    """Run from the command line, in a namespace of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=20_000)
    parser.add_argument("--shard-clips", type=int, default=64)
    parser.add_argument("--kill-every-s", type=float, default=60.0)
    parser.add_argument("--write", type=Path, help="page whose block `long_run` the table replaces")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside is None:
        return run_in_namespace("benchmarks.long_run", sys.argv[1:])
    disk = mount(options.inside / "disk", 64 + options.clips // 10)
    table, good = measure(options, options.inside, disk)
    given = f"--shard-clips {options.shard_clips} --kill-every-s {options.kill_every_s:g}"
    body = f"    python -m benchmarks.long_run --clips {options.clips} {given}\n\n{table}"
    if options.write:
        page = options.write.read_text(encoding="utf-8")
        options.write.write_text(replace_block(page, "long_run", body), encoding="utf-8")
    else:
        print(body)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
