"""The training set of the tiny networks: rendered once by worker processes into memory-mapped frames."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from tqdm import tqdm

from heatpool.extract.demo.stills import People, render_still

__all__ = ["FRAME_WH", "RenderedSet", "render_set"]

FRAME_WH = (256, 192)
"""Width and height of the rendered frames in pixels, those of the demo clips."""

_CHUNK = 64


@dataclass(frozen=True, eq=False)
class RenderedSet:
    """Rendered frames on disk and the people in each; cheap to hand to another process.

    Attributes:
        path: .npy file of the frames, (N, H, W, 3) uint8 RGB.
        people: N entries.
    """

    path: Path
    people: tuple[People, ...]

    @property
    def frames(self) -> np.ndarray:
        """The frames, memory-mapped."""
        return np.asarray(np.load(self.path, mmap_mode="r"))

    def persons(self) -> list[tuple[int, int]]:
        """List (frame, person) of everyone who is counted."""
        return [
            (frame, person)
            for frame, people in enumerate(self.people)
            for person in np.flatnonzero(people.counted).tolist()
        ]


def render_set(folder: Path, *, count: int, seed: int, workers: int) -> RenderedSet:
    """Render `count` random frames; frame k depends on (seed, k) only, whatever the number of workers.

    Args:
        folder: where the frame file is put (`count` x 147 kB).
        count: frames.
        seed: of the random people and scenes.
        workers: processes.
    """
    width, height = FRAME_WH
    path = folder / f"frames_{seed}.npy"
    frames = np.lib.format.open_memmap(path, "w+", np.uint8, (count, height, width, 3))
    people: list[People] = []
    with (
        ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool,
        tqdm(total=count, desc=f"render seed {seed}", unit="frame") as bar,
    ):
        for images, found in pool.map(partial(_render_chunk, seed=seed), _chunks(count)):
            frames[len(people) : len(people) + len(images)] = images
            people += found
            bar.update(len(images))
    frames.flush()
    return RenderedSet(path, tuple(people))


def _chunks(count: int) -> Iterator[range]:
    return (range(start, min(start + _CHUNK, count)) for start in range(0, count, _CHUNK))


def _render_chunk(indices: range, *, seed: int) -> tuple[np.ndarray, list[People]]:
    """Render some frames in a worker process."""
    width, height = FRAME_WH
    stills = [
        render_still(np.random.default_rng((seed, index)), width_px=width, height_px=height)
        for index in indices
    ]
    return np.stack([still.rgb for still in stills]), [still.people for still in stills]
