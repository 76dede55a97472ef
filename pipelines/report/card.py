"""The report's card of data set and store: the summary, and what a reader of a run wants beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import yaml

from heatpool.pipelines.report.numbers import published_bytes
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.summary import StoreSummary, summarise_store

__all__ = ["Bin", "Card", "Failure", "make_card"]

_SHOWN_FAILURES = 20
_MOST_BINS = 20


@dataclass(frozen=True)
class Failure:
    """A clip that did not go well."""

    clip_id: str
    status: str
    reason: str


@dataclass(frozen=True)
class Bin:
    """Clips of `first` to `last` frames."""

    first: int
    last: int
    clips: int

    @property
    def text(self) -> str:
        """The range in words."""
        return f"{self.first}" if self.first == self.last else f"{self.first} to {self.last}"


@dataclass(frozen=True)
class Card:
    """What the report says of data set and store.

    Attributes:
        summary: of the store.
        lengths: clips by number of frames, none when there is nothing to compare.
        length_text: the lengths in words.
        sizes: (width, height, clips) of the frames, most frequent first.
        columns: (column, distinct values) of the manifest.
        shapes: by feature array, what a clip is.
        published_bytes: of a clip in the layout of the authors.
        config: stage-one configuration as YAML, "" when none is stored.
        failures: the first 20.
        failed: number of all of them.
    """

    summary: StoreSummary
    lengths: tuple[Bin, ...]
    length_text: str
    sizes: tuple[tuple[int, int, int], ...]
    columns: tuple[tuple[str, int], ...]
    shapes: dict[str, str]
    published_bytes: int
    config: str
    failures: tuple[Failure, ...]
    failed: int

    @property
    def classes(self) -> int:
        """K."""
        return len(self.summary.class_names)


def make_card(store: FeatureStore) -> Card:
    """Describe a store and its data set.

    Raises:
        HeatpoolError: if the store cannot be read.
    """
    spec, clips, usable = store.spec, store.clips, store.clips.rows()
    bad = np.flatnonzero((clips.status != Status.OK) & (clips.status != Status.PENDING))
    frames = clips.frames[usable]
    sizes = Counter(zip(clips.width_px[usable].tolist(), clips.height_px[usable].tolist(), strict=True))
    return Card(
        summary=summarise_store(store),
        lengths=_bins(frames),
        length_text=_length_text(frames, clips.fps[usable]),
        sizes=tuple((width, height, found) for (width, height), found in sizes.most_common(4)),
        columns=tuple((name, len(set(values) - {""})) for name, values in clips.index.columns.items()),
        shapes={
            name: f"{' × '.join(map(str, feature.item_shape))} {feature.dtype}"
            for name, feature in store.layout.stored.items()
        },
        published_bytes=published_bytes(steps=spec.steps, joints=spec.joints, channels=spec.channels),
        config=yaml.safe_dump(dict(spec.config), sort_keys=False, allow_unicode=True) if spec.config else "",
        failures=_failures(store, bad[:_SHOWN_FAILURES]),
        failed=len(bad),
    )


def _bins(frames: np.ndarray) -> tuple[Bin, ...]:
    """Count clips in up to 20 bins of one whole width; none where all clips are equally long."""
    if not len(frames) or frames.min() == frames.max():
        return ()
    low, high = int(frames.min()), int(frames.max()) + 1
    step = -(-(high - low) // _MOST_BINS)
    counts, edges = np.histogram(frames, bins=np.arange(low, high + step, step))
    return tuple(
        Bin(first, first + step - 1, clips)
        for first, clips in zip(edges[:-1].tolist(), counts.tolist(), strict=True)
    )


def _length_text(frames: np.ndarray, fps: np.ndarray) -> str:
    if not len(frames):
        return "No clip was read"
    low, middle, high = int(frames.min()), float(np.median(frames)), int(frames.max())
    text = f"{low} to {high} frames, median {middle:g}" if low < high else f"{low} frames in every clip"
    timed = fps > 0
    if timed.any():
        seconds = frames[timed] / fps[timed]
        text += f"; {seconds.min():.1f} to {seconds.max():.1f} s, {seconds.sum() / 60:.1f} minutes in all"
    return text


def _failures(store: FeatureStore, rows: np.ndarray) -> tuple[Failure, ...]:
    """Why clips failed."""
    ids = store.clips.clip_ids(rows)
    return tuple(
        Failure(clip_id, result.status.name.lower().replace("_", " "), result.reason)
        for clip_id, result in zip(ids, store.results(rows), strict=True)
    )
