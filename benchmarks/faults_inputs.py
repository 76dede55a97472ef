"""What the cases of benchmarks.faults are made of: a few clips, a store of them, a run on it, exports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from benchmarks.material import make_video
from benchmarks.outcomes import run

__all__ = [
    "EXTRACT",
    "TRAIN",
    "Case",
    "During",
    "Inputs",
    "Prepare",
    "extract",
    "make_inputs",
    "patched",
    "written",
]

EXTRACT = "--backend tiny --detector tiny --threads 1 --steps 4 --persons 1 --device cpu --quiet"
TRAIN = "--model linear --streams joint --epochs 1 --device cpu --threads 1 --quiet"


@dataclass(frozen=True)
class Inputs:
    """Files that the cases read.

    Attributes:
        folder: with `clips.csv`, `videos/`, `store.zarr`, its classes `a.zarr` and `b.zarr`, `run/`, `x.h5`,
            `x.npz`, `x.pkl` and `xnpy/`.
        small: folder of two small disks: `full`, which cases fill, and `fixed`, which is read-only.
    """

    folder: Path
    small: Path


Prepare = Callable[[Inputs, Path], object]
During = Callable[["Popen[bytes]", Path], object]


@dataclass(frozen=True)
class Case:
    """A command under a fault, and how it has to end.

    Attributes:
        row: of the list of faults that was found first, 1 to 40.
        says: what is wrong.
        words: command line; `{in}` stands for the inputs, `{out}` for a fresh folder, in which it runs,
            `{small}` for the small disks.
        line: what one of its lines has to hold.
        codes: exit codes that are right.
        prepare: makes what it needs in its folder.
        during: what happens to it while it runs, in a thread.
        note: looks at what is left; its text is shown, AssertionError makes the case wrong.
        follows: runs in the folder of the case before.
        addresses: bytes that it may map (`ulimit -v`).
        environment: beside the usual.
    """

    row: int
    says: str
    words: str
    line: str = ""
    codes: tuple[int, ...] = (1,)
    prepare: Prepare | None = None
    during: During | None = None
    note: Callable[[Path], str] | None = None
    follows: bool = False
    addresses: int = 8 << 30
    environment: Mapping[str, str] = field(default_factory=dict)


def extract(clips: str = "{in}/clips.csv", more: str = "--limit 2", out: str = "{out}/s.zarr") -> str:
    """The command line of an extraction by the tiny networks."""
    return f"extract {clips} {out} {EXTRACT} {more}".rstrip()


def written(name: str, content: str | bytes) -> Prepare:
    """A function that writes a file into the case's folder; `{in}` in a text stands for the inputs."""

    def write(inputs: Inputs, out: Path) -> None:
        if isinstance(content, bytes):
            (out / name).write_bytes(content)
        else:
            (out / name).write_text(content.replace("{in}", str(inputs.folder)), encoding="utf-8")

    return write


def patched(folder: Path, code: str) -> dict[str, str]:
    """An environment in which every Python runs some code first."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join((str(folder), os.environ.get("PYTHONPATH", "")))}


def make_inputs(folder: Path, environment: Mapping[str, str]) -> None:
    """Make the inputs by the program itself, so that a build of any age can read them.

    Raises:
        SystemExit: if a command fails.
    """
    (folder / "videos").mkdir(parents=True)
    rows = ["path,label,xsub"]
    for number in range(12):
        path = folder / "videos" / f"{number:02}.mp4"
        make_video(path, 8, source=None, width_px=96, height_px=72)
        rows.append(f"videos/{path.name},{number % 2},{('train', 'train', 'val', 'test')[number // 3]}")
    (folder / "clips.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    for words in (
        extract("clips.csv", "--shard-clips 3", "store.zarr"),
        f"train store.zarr run {TRAIN}",
        *(f"archive export store.zarr {name}" for name in ("x.h5", "x.npz", "x.pkl")),
        "archive export store.zarr xnpy",
        "archive subset store.zarr a.zarr --classes 0 --quiet",
        "archive subset store.zarr b.zarr --classes 1 --quiet",
    ):
        made = run(words.split(), folder, environment=environment, end_s=300)
        if made.code:
            raise SystemExit(f"heatpool {words}: {made.errors[-1:]}")
