"""Small files that programs of this field take wrongly, and how to tell from outside what heatpool makes of each.

A case runs the program on the file and says what is wrong with the outcome, "" if nothing is; it knows no code
of the build that it judges. `tests/test_inputs.py` runs the cases in its own process, `benchmarks.inputs` any build.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from heatpool.pool.store.reader import FeatureStore

__all__ = ["CASES", "Case", "Done", "Trial"]


@dataclass(frozen=True)
class Done:
    """A command that has ended: exit code and what it printed."""

    code: int
    out: str
    err: str

    def refused(self) -> str:
        """Return "" where it ended with one line of error, else what it did."""
        lines = self.err.strip().splitlines()
        if self.code != 1 or "Traceback" in self.err:
            return f"exit code {self.code}: {lines[-1] if lines else 'no word'}"
        return "" if len(lines) == 1 else f"{len(lines)} lines of error"


@dataclass(eq=False)
class Trial:
    """A file and a build to try it on.

    Attributes:
        file: the input.
        folder: an empty folder of its own, in which commands run.
        heatpool: runs a command of the build there.
        said: what each command printed, for the table.
    """

    file: Path
    folder: Path
    heatpool: Callable[..., Done]
    said: list[Done] = field(default_factory=list)

    def run(self, *words: object) -> Done:
        """Run a command; what it says is kept."""
        done = self.heatpool(*map(str, words), cwd=self.folder)
        self.said.append(done)
        return done

    def extract(self, videos: Path, out: str, *more: object) -> Done:
        """Extract whole frames, by the tiny network if no other is named."""
        words = ["--steps", 8, "--threads", 1, "--device", "cpu", "--quiet", "--detector", "full-frame", *more]
        network = [] if "--backend" in words else ["--backend", "tiny"]
        return self.run("extract", videos, out, *words, *network)

    def store(self, name: str) -> FeatureStore:
        """Open what an extraction or import has made."""
        return FeatureStore.open(self.folder / name)

    def import_pyskl(self, *more: object) -> str:
        """Make the store k.zarr out of the file; return what is wrong."""
        done = self.run("archive", "import", self.file, "k.zarr", "--steps", 8, "--quiet", *more)
        return "" if done.code == 0 else f"exit code {done.code}: {done.err.strip()[-200:]}"

    def train(self, *more: object) -> str:
        """Train a probe on the keypoints of k.zarr; return what is wrong."""
        words = ["--model", "linear", "--streams", '["keypoints_joint"]', "--epochs", 2, "--threads", 1, "--quiet"]
        done = self.run("train", "k.zarr", "--out", "run", *words, *more)
        return "" if done.code == 0 else f"training: {done.err.strip().splitlines()[-1][:200]}"


@dataclass(frozen=True)
class Case:
    """An input and its right answer.

    Attributes:
        file: name in the folder of inputs.
        answer: the right one, in words.
        judge: returns what is wrong, "" if nothing.
        doctor: whether `heatpool doctor` can be asked about it; its words then replace `extract`'s.
    """

    file: str
    answer: str
    judge: Callable[[Trial], str]
    doctor: tuple[str, ...] = ()


def _whole_video(trial: Trial, *more: object, frames: int = 0, size: tuple[int, int] | None = None) -> str:
    """Extract one video: status ok, exit code 0, and as many frames of that size."""
    done = trial.extract(trial.file, "a.zarr", *more)
    if done.code:
        return f"exit code {done.code}: {done.err.strip().splitlines()[-1][:200]}"
    (result,) = trial.store("a.zarr").results([0])
    if result.status.name != "OK":
        return f"{result.status.name}: {result.reason}"
    if frames and result.frames != frames:
        return f"{result.frames} frames"
    shown = (result.width_px, result.height_px)
    return f"{shown[0]} x {shown[1]} pixels" if size and shown != size else ""


def _mirrored(trial: Trial) -> str:
    """The left half of what is shown is the right half of what is coded: told by features of crops of both."""
    wrong = _whole_video(trial)
    if wrong:
        return wrong
    shown = trial.run_python(_FIRST_FRAME)
    return shown


def _gap(trial: Trial) -> str:
    done = trial.extract(trial.file, "a.zarr", "--window-s", 1)
    if done.code:
        return f"exit code {done.code}: {done.err.strip().splitlines()[-1][:200]}"
    starts = [float(name.rpartition("@")[2].partition("-")[0]) for name in trial.store("a.zarr").clips.clip_ids(range(len(trial.store("a.zarr"))))]
    if any(2.05 < start < 6.95 for start in starts):
        return f"windows in the gap: {starts}"
    return "" if "gap" in done.err else "their number is not said"
