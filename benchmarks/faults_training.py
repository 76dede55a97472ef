"""Faults of stage two: pending clips, odd names, learning rates, files of scores and of runs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.faults_inputs import TRAIN, Case, Inputs, Prepare

__all__ = ["training"]

_TRAIN = f"train {{store}} {{out}}/run {TRAIN}"
_RELABEL = "relabel {in}/store.zarr {out}/l.csv --out {out}/s.zarr --quiet"


def training() -> Iterator[Case]:
    """Yield the cases."""
    yield Case(5, "a store of which a shard is pending", _TRAIN.format(store="{out}/s.zarr", out="{out}"),
               "of 12 clips of", (0,), prepare=_pending)  # fmt: skip
    for row, names in ((6, ("$$", "x_$^$")), (7, ("日本", "עברית"))):
        says = f"classes called {names[0]} and {names[1]}"
        yield Case(row, says, _RELABEL, codes=(0,), prepare=_labels(names))
        yield Case(row, says, _TRAIN.format(store="{out}/s.zarr", out="{out}"), codes=(0,), follows=True)
    for rate, codes, line in (("1e4", (2,), "--learning-rate"), ("900", (1,), "its training diverged")):
        words = f"train {{in}}/store.zarr {{out}}/run {TRAIN} --learning-rate {rate}"
        yield Case(30, f"--learning-rate {rate}", words.replace("linear", "ctrgcn"), line, codes)
    yield from _scores()
    yield from _runs()


def _pending(inputs: Inputs, out: Path) -> None:
    shutil.copytree(inputs.folder / "store.zarr", out / "s.zarr")
    (out / "s.zarr" / "finished.json").unlink(missing_ok=True)
    sorted((out / "s.zarr").glob("journal/**/*.json"))[1].unlink()


def _labels(names: tuple[str, str]) -> Prepare:
    def write(inputs: Inputs, out: Path) -> None:
        rows = [f"videos/{number:02}.mp4,{names[number % 2]}" for number in range(12)]
        (out / "l.csv").write_text("\n".join(["path,label", *rows]) + "\n", encoding="utf-8")

    return write


def _scores() -> Iterator[Case]:
    """Row 31."""

    def make(write: Callable[[Path], object]) -> Prepare:
        return lambda inputs, out: write(out / "a.npz")

    for says, write in {
        "an empty file": lambda path: path.write_bytes(b""),
        "an .npy file": lambda path: _as_npy(path),
        "ids that are numbers": lambda path: np.savez(
            path, scores=np.zeros((3, 2), np.float32), clip_id=np.arange(3), labels=np.zeros(3, np.int64),
            class_names=np.array(["a", "b"]), kind=np.array("logits"),
        ),
    }.items():  # fmt: skip
        yield Case(
            31, f"scores .npz: {says}", "fuse a={out}/a.npz b={out}/a.npz --weights 1,1", prepare=make(write)
        )


def _as_npy(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _runs() -> Iterator[Case]:
    """Row 32."""

    def edit(name: str, change: Callable[[str], str]) -> Prepare:
        def prepare(inputs: Inputs, out: Path) -> None:
            shutil.copytree(inputs.folder / "run", out / "run")
            for path in (out / "run").rglob(name):
                path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")

        return prepare

    def wide(text: str) -> str:
        side = json.loads(text)
        side["shape"]["channels"] = 10**9
        return json.dumps(side)

    evaluate = "evaluate {out}/run --out {out}/e --device cpu --threads 1 --quiet"
    predict = "predict {out}/run {in}/videos/00.mp4 --out {out}/p.csv --device cpu --threads 1 --quiet"
    for says, name, change in (
        ("best.json is a list", "best.json", lambda text: "[]"),
        ("best.json claims 10^9 channels", "best.json", wide),
        ("summary.json of nulls", "summary.json", lambda text: json.dumps(dict.fromkeys(json.loads(text)))),
        ("config.yaml is cut", "config.yaml", lambda text: "a: ["),
        ("config.yaml with a tag of Python", "config.yaml", lambda text: "!!python/name:os.getcwd ''"),
    ):
        for words in (evaluate, predict):  # which do not read the options of training
            codes = (0,) if name == "config.yaml" else (1,)
            yield Case(32, says, words, codes=codes, prepare=edit(name, change))
