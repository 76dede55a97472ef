"""Faults of stage one: videos that go away, odd boxes, odd numbers, odd networks, small memory."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen

import av

from benchmarks.faults_inputs import EXTRACT, Case, During, Inputs, Prepare, extract, patched, written
from benchmarks.material import make_video

__all__ = ["extraction"]

_BOXED = EXTRACT.replace("--detector tiny", "--detector boxes-file --boxes {out}/b.csv --limit 3")
_WHOLE = extract("{out}/clips.csv", "--shard-clips 1")


def extraction(scratch: Path) -> Iterator[Case]:
    """Yield the cases; what they share is made in `scratch`."""
    yield from _moments(scratch)
    yield from _values()
    yield from _files()
    yield from _videos()
    yield from _numbers()
    yield from _stores()


def _copy(inputs: Inputs, out: Path) -> None:
    shutil.copytree(inputs.folder / "videos", out / "videos")
    shutil.copy(inputs.folder / "clips.csv", out)


def _after_a_shard(do: Callable[[Path], object]) -> During:
    def wait(process: Popen[bytes], out: Path) -> None:
        while process.poll() is None and not list((out / "s.zarr").glob("journal/**/*.json")):
            time.sleep(0.002)
        if process.returncode is None:
            do(out)

    return wait


def _back(inputs: Inputs, out: Path) -> None:
    (out / "gone").rename(out / "videos")


def _moments(scratch: Path) -> Iterator[Case]:
    """Row 1: faults of the moment."""
    yield Case(
        1, "videos moved away while it runs", _WHOLE, "is away or empty", prepare=_copy,
        during=_after_a_shard(lambda out: (out / "videos").rename(out / "gone")),
    )  # fmt: skip
    yield Case(1, "and back, --resume", f"{_WHOLE} --resume", codes=(0,), prepare=_back, follows=True,
               note=lambda out: _no_failures(out))  # fmt: skip
    yield Case(1, "ulimit -v 2 GB", _WHOLE, codes=(0, 1, 3), prepare=_copy, addresses=2 << 30)
    yield Case(1, "without, --overwrite", f"{_WHOLE} --overwrite", codes=(0,), follows=True,
               note=lambda out: _no_failures(out))  # fmt: skip
    # The run is killed at a shard; then the child that looks which clip did it is killed, too.
    run = patched(scratch / "killed_run", _KILL.format(module="heatpool.pool.store.writer", at="write_shard"))
    yield Case(1, "the run is killed (SIGKILL)", _WHOLE, codes=(-9,), prepare=_copy, environment=run)
    child = patched(scratch / "killed_child", _KILL_CHILD)
    says = "the child that tries its clips is killed, --resume"
    yield Case(1, says, f"{_WHOLE} --resume", "1 failed", (3,), follows=True, environment=child)
    yield Case(1, "not killed any more, --resume", f"{_WHOLE} --resume", codes=(0,), follows=True,
               note=lambda out: _no_failures(out))  # fmt: skip


_KILL = """
import os
import {module} as module

module.StoreWriter.{at} = lambda *words, **more: os.kill(os.getpid(), 9)
"""
_KILL_CHILD = """
import os, sys

if "heatpool.extract.engine.crash_isolation" in sys.orig_argv:
    os.kill(os.getpid(), 9)
"""


def _no_failures(out: Path) -> str:
    failures = out / "s.zarr" / "failures.csv"
    assert not failures.exists() or len(failures.read_text().splitlines()) <= 1, failures.read_text()
    return "all clips ok"


def _boxes(first: str) -> Prepare:
    """A table of boxes whose very first is another one."""

    def write(inputs: Inputs, out: Path) -> None:
        rows = ["path,frame,x1,y1,x2,y2,score"]
        for number in range(3):
            rows += [f"videos/{number:02}.mp4,{frame},10,5,60,70,0.9" for frame in range(8)]
        rows[1] = f"videos/00.mp4,0,{first},0.9"
        (out / "b.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")

    return write


def _values() -> Iterator[Case]:
    """Rows 2, 24 and 25: boxes."""
    boxed = f"extract {{in}}/clips.csv {{out}}/s.zarr {_BOXED}"
    for says, first, line in (
        ("a box of ±10^7 pixels", "-1e7,5,1e7,70", "reach out of the picture"),
        ("a box 10^-8 pixels wide", "10,5,10.00000001,70", "of no or negative size"),
        ("a box at 10^300", "10,5,1e300,70", "not finite"),
        ("a box at NaN", "10,5,nan,70", "not finite"),
    ):
        yield Case(2, says, boxed, line, codes=(0,), prepare=_boxes(first))

    def many(inputs: Inputs, out: Path) -> None:
        with (out / "b.csv").open("w", encoding="utf-8") as file:
            file.write("path,frame,x1,y1,x2,y2,score\n")
            file.writelines(f"videos/00.mp4,{frame},10,5,60,70,0.9\n" for frame in range(8))
            for video in range(340):
                start = f"videos/some_other_subject_of_a_large_data_set_{video:04}.mp4"
                file.writelines(f"{start},{frame},1,1,20,20,0.9\n" for frame in range(10_000))

    yield Case(24, "3,400,000 boxes of other videos", boxed, "no box for 2 of 3", (0,), prepare=many,
               note=lambda out: f"{(out / 'b.csv').stat().st_size / 1e6:.0f} MB")  # fmt: skip
    yield Case(25, "--boxes is a link to itself", boxed, "Too many levels of symbolic links",
               prepare=lambda inputs, out: (out / "b.csv").symlink_to(out / "b.csv"))  # fmt: skip
    yield Case(38, "--boxes is a fifo", boxed, "is a pipe or a device",
               prepare=lambda inputs, out: os.mkfifo(out / "b.csv"))  # fmt: skip
    yield Case(38, "--boxes /dev/zero", boxed.replace("{out}/b.csv", "/dev/zero"), "is a pipe or a device")


def _files() -> Iterator[Case]:
    """Rows 3, 13, 14 and 16: manifests."""

    def colons(inputs: Inputs, out: Path) -> None:
        shutil.copy(inputs.folder / "videos/00.mp4", out / "12:30:05.mp4")
        shutil.copy(inputs.folder / "videos/01.mp4", out / "2024-05-01T12:30.mp4")

    yield Case(3, "names with colons", "manifest . clips.csv", codes=(0,), prepare=colons)
    yield Case(3, "names with colons", extract("clips.csv"), codes=(0,), follows=True)
    rows = written("h.csv", "path\nhttp://127.0.0.1:9/x.mp4\nconcat:a|b\ntcp://127.0.0.1:9\npipe:0\n")
    says = "rows http:, concat:, tcp:, pipe:"
    yield Case(3, says, extract("h.csv"), codes=(1, 3), prepare=rows)
    yield Case(3, says, "doctor h.csv", codes=(1, 3), follows=True)
    for label, codes, line in (
        ("1000000000", (0,), ""),
        ("1.5", (1,), "in line 2"),
        ("-7", (1,), "in line 2"),
    ):
        rows = written("l.csv", f"path,label\n{{in}}/videos/00.mp4,{label}\n{{in}}/videos/01.mp4,0\n")
        yield Case(13, f"label {label}", extract("l.csv"), line, codes, prepare=rows)
    for says, text in (
        ("persons -3", "path,persons\n{in}/videos/00.mp4,-3\n"),
        ("path .", "path\n.\n"),
    ):
        yield Case(14, says, extract("p.csv"), "in line 2", prepare=written("p.csv", text))
    # As `-ss 0.1 -c copy`: an edit list hides what comes too early.
    trim = _remuxed(lambda pts, at, units: pts - units // 10)
    yield Case(16, "cut without encoding anew (edit list)", extract("v.mp4"), codes=(0,), prepare=trim)


def _videos() -> Iterator[Case]:
    """Rows 33, 34 and 38: videos."""

    def cut(inputs: Inputs, out: Path) -> None:
        (out / "v").mkdir()
        for name in ("a", "c"):
            shutil.copy(inputs.folder / "videos/00.mp4", out / "v" / f"{name}.mp4")
        (out / "v" / "b.mp4").write_bytes((out / "v" / "a.mp4").read_bytes()[:1500])

    yield Case(
        33, "one of three videos is damaged",
        "predict {in}/run v --annotate films --out p.csv --device cpu --threads 1 --quiet", codes=(3,),
        prepare=cut, note=lambda out: f"{len(list((out / 'films').iterdir()))} films",
    )  # fmt: skip
    days = _remuxed(lambda pts, at, units: pts + 4_000_000 * units * at)
    drawn = f"visualize {{video}} {{out}}/v.mp4 {EXTRACT.replace(' --steps 4', '')}"
    for row, says, name, line, prepare in (
        (34, "a link to itself", "loop.mp4", "expected a video",
         lambda inputs, out: (out / "loop.mp4").symlink_to(out / "loop.mp4")),
        (34, "a video of 16 x 16,000 pixels", "tall.mp4", "", _tall),
        (34, "stamps over 300 days", "v.mp4", "", days),
        (38, "a video is a fifo", "pipe.mp4", "expected a video file",
         lambda inputs, out: os.mkfifo(out / "pipe.mp4")),
    ):  # fmt: skip
        words = drawn.format(video=name, out="{out}").replace("v.mp4 --", "drawn.mp4 --")
        yield Case(row, says, words, line, codes=(1,) if line else (0,), prepare=prepare)
    yield Case(34, "a name of 100,000 letters", f"info {'x' * 100_000}", "name too long")
    yield Case(34, "10^308 clips", "forecast 1e308 --frames 100 --backend tiny", codes=(2,))

    def piped(inputs: Inputs, out: Path) -> None:
        (out / "f.csv").write_text("path\npipe.mp4\n", encoding="utf-8")
        os.mkfifo(out / "pipe.mp4")

    yield Case(38, "a clip's video is a fifo", extract("f.csv"), codes=(1, 3), prepare=piped)
    yield Case(38, "a clip's video is /dev/zero", extract("f.csv"), codes=(1, 3),
               prepare=written("f.csv", "path\n/dev/zero\n"))  # fmt: skip


def _remuxed(moved: Callable[[int, int, int], int]) -> Prepare:
    """Write `v.mp4`, packets of a video at other stamps: by their stamp, number and units a second."""

    def write(inputs: Inputs, out: Path) -> None:
        with (
            av.open(str(inputs.folder / "videos/00.mp4")) as source,
            av.open(str(out / "v.mp4"), "w") as sink,
        ):
            stream = source.streams.video[0]
            copy = sink.add_stream_from_template(stream)
            units = round(1 / (stream.time_base or 1))
            for at, packet in enumerate(source.demux(stream)):
                if packet.dts is not None and packet.pts is not None:
                    ahead = moved(packet.dts, at, units) - packet.dts
                    packet.pts, packet.dts, packet.stream = packet.pts + ahead, packet.dts + ahead, copy
                    sink.mux(packet)

    return write


def _tall(inputs: Inputs, out: Path) -> None:
    make_video(out / "tall.mp4", 4, source=None, width_px=16, height_px=16_000)


def _numbers() -> Iterator[Case]:
    """Row 12: options beyond sense."""
    for option in (
        "--persons 256", "--shard-clips 4097", "--min-score nan", "--window-s nan", "--window-s 1e-9",
        "--threads 1000000000", "--steps 1000000000", "--clip-seconds nan", "--workers -1",
    ):  # fmt: skip
        yield Case(12, option, extract(more=option), f"expected {option.split()[0]}", (2,))
    yield Case(12, "--persons 300", "archive import {in}/x.pkl {out}/s.zarr --persons 300", "--persons", (2,))
    for says, data in {
        "steps: null": b"steps: null\n",
        "YAML in UTF-16": "steps: 4\n".encode("utf-16"),
    }.items():
        words = extract(more="--config {out}/o.yaml").replace("--steps 4 ", "")
        yield Case(12, says, words, codes=(0, 2) if "16" in says else (2,), prepare=written("o.yaml", data))


def _stores() -> Iterator[Case]:
    """Rows 26 to 28: workers without memory, stores that are taken away, links."""
    yield Case(26, "ulimit -v 1.4 GB, two workers", extract(more="--workers 2 --shard-clips 1"), codes=(1,),
               addresses=int(1.4 * 2**30))  # fmt: skip
    for says, do in (
        (
            "the store is renamed while it is written",
            lambda out: (out / "s.zarr").rename(out / "t.zarr"),
        ),
        (
            "the store is removed while it is written",
            lambda out: shutil.rmtree(out / "s.zarr", ignore_errors=True),
        ),
    ):
        yield Case(27, says, extract(more="--shard-clips 1"), during=_after_a_shard(do))

    def linked(inputs: Inputs, out: Path) -> None:
        shutil.copytree(inputs.folder / "store.zarr", out / "real.zarr")
        (out / "s.zarr").symlink_to(out / "real.zarr")

    yield Case(
        28, "--overwrite on a link to a store", extract(more="--overwrite"), "is a link", prepare=linked
    )
