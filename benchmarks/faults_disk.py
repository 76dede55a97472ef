"""Faults of disks: full, read-only, and programs that are killed while they write."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from benchmarks.faults_inputs import EXTRACT, TRAIN, Case, Inputs, patched
from benchmarks.small_disk import fill

__all__ = ["disks"]

_FULL, _FIXED = "No space left on device", "Read-only file system"
_DIES = """
import os

os.fsync = lambda descriptor: os.kill(os.getpid(), 9)
"""

# By row: command lines with `{to}` for the disk.
_WRITERS = {
    4: (
        "manifest {in}/videos {to}/m.csv",
        "info {in}/store.zarr --csv {to}/i.csv",
        "doctor {in}/clips.csv --out {to}/d.csv --workers 1 --quiet",
    ),
    8: ("archive export {in}/store.zarr {to}/x.h5",),
    10: (
        f"train {{in}}/store.zarr {{to}}/run {TRAIN}",
        "evaluate {in}/run --out {to}/e --device cpu --threads 1 --quiet",
        "fuse a={in}/run b={in}/run --out {to}/f",
    ),
    11: (
        "archive merge {in}/a.zarr {in}/b.zarr --out {to}/m.zarr",
        "archive subset {in}/store.zarr {to}/s.zarr --classes 0",
        "archive import {in}/xnpy {to}/i.zarr",
        "archive import {in}/x.pkl {to}/i.zarr",
        "archive import {in}/x.h5 {to}/i.zarr",
        "archive export {in}/store.zarr {to}/x.h5",
        "archive export {in}/store.zarr {to}/x.npz",
        "archive export {in}/store.zarr {to}/x.pkl",
        f"visualize {{in}}/videos/00.mp4 {{to}}/v.mp4 {EXTRACT.replace(' --steps 4', '')}",
        f"visualize {{in}}/videos/00.mp4 --sheet {{to}}/v.png {EXTRACT.replace(' --steps 4', '')}",
        "compare {in}/run {in}/run --n-bootstrap 100 --out {to}/c.json",
        "fuse a={in}/run b={in}/run --out {to}/f",
        "evaluate {in}/run --out {to}/e --device cpu --threads 1 --quiet",
    ),
    39: (
        "archive merge {in}/a.zarr {in}/b.zarr --out {to}/m.zarr",
        "archive import {in}/x.h5 {to}/i.zarr",
        "archive export {in}/store.zarr {to}/xnpy",
    ),
}


def disks(scratch: Path) -> Iterator[Case]:
    """Yield the cases; what they share is made in `scratch`."""
    for row, commands in _WRITERS.items():
        name, says, line = ("fixed", "read-only", _FIXED) if row == 11 else ("full", "a full disk", _FULL)
        for words in commands:
            yield Case(
                row, says, words.replace("{to}", f"{{small}}/{name}"), line,
                prepare=None if row == 11 else _fill, note=None if row == 11 else _no_leftovers,
            )  # fmt: skip
    dies = patched(scratch / "dies", _DIES)
    for suffix in ("h5", "npz", "pkl"):
        words = f"archive export {{in}}/store.zarr {{out}}/x.{suffix}"
        yield Case(9, "killed before its file is in place", words, codes=(-9,), environment=dies)
        yield Case(9, "and again, not killed", words, codes=(0,), follows=True, note=_no_leftovers)


def _fill(inputs: Inputs, out: Path) -> None:
    full = inputs.small / "full"
    for path in full.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (out / "full").symlink_to(full)  # where `_no_leftovers` looks
    fill(full / "ballast")


def _no_leftovers(out: Path) -> str:
    left = [each.name for folder in (out, out / "full") for each in folder.rglob(".*")]
    assert not left, left
    return "nothing left"
