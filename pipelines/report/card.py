"""The report's card of data set and feature store."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import yaml
from markupsafe import Markup

from heatpool.pipelines.report.numbers import published_bytes
from heatpool.pipelines.report.svg import histogram
from heatpool.pool.records import Split, Status
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Card", "Failure", "make_card"]

_PARTS = ((Split.TRAIN, "train"), (Split.VAL, "val"), (Split.TEST, "test"), (Split.NONE, "in no split"))
_STATUSES = (
    (Status.OK, "ok"), (Status.TRUNCATED, "truncated"), (Status.NO_PERSON, "no person"),
    (Status.FAILED, "failed"), (Status.PENDING, "pending"),
)  # fmt: skip
_SHOWN_FAILURES = 20


@dataclass(frozen=True)
class Failure:
    """A clip that did not go well."""

    clip_id: str
    status: str
    message: str


@dataclass(frozen=True)
class Card:
    """What the report says of data set and store.

    Attributes:
        clips: N.
        usable: clips with features.
        classes: K.
        statuses: names of the columns of `splits`.
        splits: (split, clips by status, sum) per split that has clips, and the sum of all.
        persons: (people, clips with features) in rising order.
        lengths: chart of the frames per clip, None when there is nothing to compare.
        length_text: the lengths in words.
        sizes: (width, height, clips) of the frames, most frequent first.
        columns: (column, distinct values) of the manifest.
        arrays: (name, shape of a clip, bytes in all, bytes per usable clip), features first.
        total_bytes: of all arrays.
        clip_bytes: the same per usable clip.
        published_bytes: of a clip in the layout of the authors.
        provenance: (name, value) of the store.
        config: stage-one configuration as YAML, "" when none is stored.
        failures: the first 20.
        failed: number of all of them.
    """

    clips: int
    usable: int
    classes: int
    statuses: tuple[str, ...]
    splits: tuple[tuple[str, tuple[int, ...], int], ...]
    persons: tuple[tuple[int, int], ...]
    lengths: Markup | None
    length_text: str
    sizes: tuple[tuple[int, int, int], ...]
    columns: tuple[tuple[str, int], ...]
    arrays: tuple[tuple[str, str, int, float], ...]
    total_bytes: int
    clip_bytes: float
    published_bytes: int
    provenance: tuple[tuple[str, str], ...]
    config: str
    failures: tuple[Failure, ...]
    failed: int


def make_card(store: FeatureStore, *, protocol: str) -> Card:
    """Describe a store and its data set.

    Raises:
        HeatpoolError: if the store lacks the protocol or cannot be read.
    """
    spec, status = store.spec, store.clips.status
    usable = np.isin(status, (Status.OK, Status.TRUNCATED))
    statuses = [(code, name) for code, name in _STATUSES if (status == code).any()]
    arrays, total = _arrays(store, max(int(usable.sum()), 1))
    bad = np.flatnonzero((status != Status.OK) & (status != Status.PENDING))
    lengths, length_text = _lengths(store.clips.frames[usable], store.clips.fps[usable])
    sizes = Counter(zip(store.clips.width_px[usable].tolist(), store.clips.height_px[usable].tolist(), strict=True))
    return Card(
        clips=len(store),
        usable=int(usable.sum()),
        classes=len(store.clips.class_names),
        statuses=tuple(name for _, name in statuses),
        splits=_parts(store.clips.split(protocol), status, [code for code, _ in statuses]),
        persons=tuple(sorted(Counter(store.clips.persons[usable].tolist()).items())),
        lengths=lengths,
        length_text=length_text,
        sizes=tuple((width, height, clips) for (width, height), clips in sizes.most_common(4)),
        columns=tuple((name, len(set(values) - {""})) for name, values in store.clips.index.columns.items()),
        arrays=arrays,
        total_bytes=total,
        clip_bytes=total / max(int(usable.sum()), 1),
        published_bytes=published_bytes(steps=spec.steps, joints=spec.joints, channels=spec.channels),
        provenance=_provenance(store),
        config=yaml.safe_dump(dict(spec.config), sort_keys=False, allow_unicode=True) if spec.config else "",
        failures=_failures(store, bad[:_SHOWN_FAILURES]),
        failed=len(bad),
    )


def _parts(
    splits: np.ndarray, status: np.ndarray, codes: list[Status]
) -> tuple[tuple[str, tuple[int, ...], int], ...]:
    rows = [(name, splits == code) for code, name in _PARTS if (splits == code).any()]
    rows.append(("all", np.ones(len(splits), bool)))
    return tuple(
        (name, tuple(int((status[inside] == code).sum()) for code in codes), int(inside.sum()))
        for name, inside in rows
    )


def _lengths(frames: np.ndarray, fps: np.ndarray) -> tuple[Markup | None, str]:
    if not len(frames):
        return None, "No clip was read"
    low, middle, high = int(frames.min()), float(np.median(frames)), int(frames.max())
    text = (
        f"{low} to {high} frames a clip, median {middle:g}" if low < high else f"{low} frames in every clip"
    )
    timed = fps > 0
    if timed.any():
        seconds = frames[timed] / fps[timed]
        text += f"; {seconds.min():.1f} to {seconds.max():.1f} s, {seconds.sum() / 60:.1f} minutes in all"
    if low == high:
        return None, text
    chart = histogram(
        frames, label=f"Histogram of clip lengths: {text}", x_name="frames in the clip", colour="#5b7fa6"
    )
    return chart, text


def _arrays(store: FeatureStore, usable: int) -> tuple[tuple[tuple[str, str, int, float], ...], int]:
    """Feature arrays one by one, all others (ids, labels, splits, results) in one row."""
    sizes = store.bytes_by_array()
    rows, rest = [], dict(sizes)
    for name, feature in store.layout.stored.items():
        size = rest.pop(name, 0)
        shape = " × ".join(map(str, feature.item_shape))
        rows.append((name, f"{shape} {feature.dtype}", size, size / usable))
    rows.append(
        (f"index ({len(rest)} arrays)", "one value a clip", sum(rest.values()), sum(rest.values()) / usable)
    )
    return tuple(rows), sum(sizes.values())


def _provenance(store: FeatureStore) -> tuple[tuple[str, str], ...]:
    spec = store.spec
    unknown = "not stated"
    return (
        ("Source", spec.source or unknown),
        ("Licence", spec.licence or unknown),
        ("Citation", spec.citation or unknown),
        ("Backbone", spec.backbone),
        ("Tap", f"{spec.tap}, {spec.channels} channels"),
        ("Weights SHA-256", spec.weights_sha256 or "no weights file"),
        ("Skeleton", f"{spec.skeleton}, {spec.joints} joints"),
        ("Code version", str(store.attributes.get("code_version", unknown))),
        ("Store", store.source.name),
    )


def _failures(store: FeatureStore, rows: np.ndarray) -> tuple[Failure, ...]:
    """Why clips failed."""
    names = dict(_STATUSES)
    ids = store.clips.clip_ids(rows)
    return tuple(
        Failure(clip_id, names[result.status], result.message)
        for clip_id, result in zip(ids, store.results(rows), strict=True)
    )
