"""Trials of a build on files: commands run from outside, and how they end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from heatpool.extract.demo.stills import render_still
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Case", "Done", "Trial", "make_video"]


@dataclass(frozen=True)
class Done:
    """A command that has ended: its exit code, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def last(self) -> str:
        """How it ended, in a line."""
        lines = self.err.strip().splitlines()
        return f"exit code {self.code}" + (f": {lines[-1]}" if self.code and lines else "")

    def not_refused(self) -> str:
        """Return "" where it ended with a line of error and no traceback, else how it ended."""
        return "" if self.code == 1 and "Traceback" not in self.err else self.last


@dataclass(eq=False)
class Trial:
    """A file, and a build to try it on.

    Attributes:
        file: the input.
        folder: an empty folder, in which commands run.
        heatpool: runs a command of the build there.
        verdicts: how doctor ended, and the command that it must agree with; the last of each.
    """

    file: Path
    folder: Path
    heatpool: Callable[[Path, list[str]], Done]
    verdicts: tuple[Done | None, Done | None] = (None, None)

    def run(self, *words: object) -> Done:
        """Run a command."""
        done = self.heatpool(self.folder, [str(word) for word in words])
        self.verdicts = (self.verdicts[0], done)
        return done

    def extract(self, videos: Path, out: str, *more: object, steps: int = 8) -> Done:
        """Extract, whole frames by the tiny network where no others are named."""
        sizes = ["--steps", steps, "--threads", 1, "--device", "cpu"]
        return self.run("extract", videos, "--out", out, *sizes, *_networks(more), *more)

    def extract_and_ask(self, videos: Path, *more: object) -> Done:
        """Extract into a.zarr, and ask doctor with the same options."""
        done = self.extract(videos, "a.zarr", *more)
        options = [*_networks(more), *more] if more else []
        words = ["doctor", videos, "--out", "doctor.csv", "--decode", *options]
        self.verdicts = (self.heatpool(self.folder, [str(word) for word in words]), done)
        return done

    def store(self, name: str) -> FeatureStore:
        """Open what an extraction or an import has made."""
        return FeatureStore.open(self.folder / name)

    def disagreement(self) -> str:
        """Return "" where doctor finds errors just where the command does not go through."""
        doctor, done = self.verdicts
        if doctor is None or done is None or doctor.code == 2:  # an old doctor does not know the options
            return ""
        if (doctor.code == 0) == (done.code == 0):
            return ""
        return f"doctor: {doctor.last}"


def _networks(more: tuple[object, ...]) -> list[str]:
    boxes = [] if {"--boxes", "--detector"} & set(more) else ["--detector", "full-frame"]
    return boxes + ([] if "--backend" in more else ["--backend", "tiny"])


@dataclass(frozen=True)
class Case:
    """An input and its right answer.

    Attributes:
        file: name in the folder of inputs.
        answer: the right one, in words.
        judge: returns what is wrong, "" if nothing.
        slow: it takes more than a few seconds.
    """

    file: str
    answer: str
    judge: Callable[[Trial], str]
    slow: bool = False

    def wrong(self, trial: Trial) -> str:
        """Return what is wrong with the answer of a build, or with doctor's; "" if nothing."""
        return self.judge(trial) or trial.disagreement()


def make_video(path: Path, frames: list[np.ndarray] | None = None, *, seed: int = 0) -> Path:
    """Encode frames, or twelve of a drawn person."""
    if frames is None:
        picture = render_still(np.random.default_rng(seed), width_px=120, height_px=80).rgb
        frames = [np.ascontiguousarray(picture[:, step : step + 96]) for step in range(12)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=30, options={"crf": "1"})
        stream.height, stream.width = frames[0].shape[:2]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path
