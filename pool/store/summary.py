"""What a feature store holds, as one record.

`heatpool info`, the data card of an archive and the report of a run all word this record, each for its own
readers; none of them counts by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from heatpool.pool.records import Split, Status
from heatpool.pool.store.levels import ROUNDED, find_rounding
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.resume import NETWORK
from heatpool.pool.store.spec import RgbSpec, StoreSpec
from heatpool.pool.store.versions import describe_versions

__all__ = ["StoreSummary", "summarise_store"]


@dataclass(frozen=True)
class StoreSummary:
    """Sizes, outcomes, classes, splits, bytes and provenance of a feature store.

    Attributes:
        name: where the store lies.
        shape: (N, M, T, V, C) of `pooled`.
        held: arrays with values, of features or keypoints alone where they were imported.
        precision: of `pooled` on disk, with its error where that is known.
        precision_meaning: what that leaves of the features, a sentence; "" where float16 of them is stored.
        usable: clips with features.
        unlabelled: clips without a label.
        statuses: clips by status word, those that occur.
        persons: clips with features by number of persons, in rising order.
        frames: fewest, mean and most frames of the clips with features; None where there is none.
        class_names: in label order.
        splits: by protocol, by split word (`none` for clips in no split), clips by status word; splits and
            statuses that occur.
        bytes_by_array: of each feature array, then of all others together as `index`.
        provenance: how the features were made and on what terms they may be used, by name; "" = not stated.
    """

    name: str
    shape: tuple[int, int, int, int, int]
    held: tuple[str, ...]
    precision: str
    precision_meaning: str
    usable: int
    unlabelled: int
    statuses: Mapping[str, int]
    persons: Mapping[int, int]
    frames: tuple[int, float, int] | None
    class_names: tuple[str, ...]
    splits: Mapping[str, Mapping[str, Mapping[str, int]]]
    bytes_by_array: Mapping[str, int]
    provenance: Mapping[str, str]

    @property
    def clips(self) -> int:
        """N, with or without features."""
        return self.shape[0]

    @property
    def total_bytes(self) -> int:
        """Bytes of all arrays."""
        return sum(self.bytes_by_array.values())

    @property
    def clip_bytes(self) -> float:
        """Bytes of all arrays per clip with features."""
        return self.total_bytes / max(self.usable, 1)

    def split_sizes(self, protocol: str) -> dict[str, int]:
        """Clips of each split of a protocol."""
        return {split: sum(counts.values()) for split, counts in self.splits[protocol].items()}

    def name_classes(self, most: int) -> str:
        """Return the class names with commas between, of very many the first ones and how many follow."""
        names = self.class_names
        rest = f", … {len(names) - most} more" if len(names) > most else ""
        return ", ".join(names[:most]) + rest if names else "none"


def summarise_store(store: FeatureStore) -> StoreSummary:
    """Describe a store, finished or not.

    Raises:
        HeatpoolError: if it is damaged.
    """
    spec, clips, status = store.spec, store.clips, store.clips.status
    rows = clips.rows()
    frames = clips.frames[rows]
    sizes = store.bytes_by_array()
    of_features = {name: sizes.pop(name, 0) for name in store.layout.stored}
    precision, meaning = _precision(spec)
    return StoreSummary(
        name=store.source.name,
        shape=(len(store), spec.persons, spec.steps, spec.joints, spec.channels),
        held=tuple(store.attributes["config"].get("arrays") or store.layout.features),
        precision=precision,
        precision_meaning=meaning,
        usable=len(rows),
        unlabelled=int((clips.label < 0).sum()),
        statuses=_count_statuses(status),
        persons=dict(sorted(Counter(clips.persons[rows].tolist()).items())),
        frames=(int(frames.min()), float(frames.mean()), int(frames.max())) if len(rows) else None,
        class_names=clips.class_names,
        splits={protocol: _count_splits(clips.split(protocol), status) for protocol in clips.protocols},
        bytes_by_array={**of_features, "index": sum(sizes.values())},
        provenance=_provenance(spec, store),
    )


def _precision(spec: StoreSpec) -> tuple[str, str]:
    """Name the precision of `pooled` in short, and say what it means."""
    if spec.precision == "u1":
        return "u1", (
            "`pooled` has 256 levels for each clip, person and channel, from the least value to the most: "
            "a value is off by half a level at most."
        )
    if spec.levels:
        step, error = spec.levels["pooled"].step, spec.levels["pooled"].error
        text = f"levels ({spec.levels['pooled'].dtype}, error {error:.2%})"
    elif rounding := find_rounding(spec.config):
        step, error = rounding
        text = f"f2 (rounded, error {error:.2%})"
    elif before := spec.config.get("converted_from"):
        return f"f2 (from {before})", f"`pooled` was in precision {before} before and is no better than that."
    else:
        return "f2", ""
    return text, (
        f"`pooled` is rounded to multiples of {step:.4g}: the root mean square of what that changed is "
        f"{error:.2%} of that of the features, over all clips."
    )


def _count_statuses(status: np.ndarray) -> dict[str, int]:
    counts = np.bincount(status, minlength=len(Status))
    return {each.name.lower(): int(counts[each]) for each in Status if counts[each]}


def _count_splits(splits: np.ndarray, status: np.ndarray) -> dict[str, dict[str, int]]:
    order = (Split.TRAIN, Split.VAL, Split.TEST, Split.NONE)
    counts = {split.name.lower(): _count_statuses(status[splits == split]) for split in order}
    return {split: by_status for split, by_status in counts.items() if by_status}


def _provenance(spec: StoreSpec, store: FeatureStore) -> dict[str, str]:
    attributes = store.attributes
    config = (
        f"{key} {value}"
        for key, value in spec.config.items()
        if value not in ("", None) and key not in (NETWORK, ROUNDED)
    )
    return {
        "network": f"{spec.backbone}, tap {_taps(spec)}",
        "weights": f"sha256 {spec.weights_sha256}" if spec.weights_sha256 else "none",
        "skeleton": f"{spec.skeleton}, {spec.joints} joints",
        **({"map means": f"{spec.channels} channels"} if spec.map_mean else {}),
        **({"rgb": _rgb(spec.rgb)} if spec.rgb else {}),
        "versions": describe_versions(store.versions),
        "program": f"heatpool {attributes['code_version']}, format version {attributes['version']}",
        "config": ", ".join(config),
        "licence": spec.licence,
        "citation": spec.citation,
        "source": spec.source,
    }


def _taps(spec: StoreSpec) -> str:
    if len(spec.tap_channels) < 2:
        return f"{spec.tap} ({spec.channels} channels)"
    each = zip(spec.tap_names, spec.tap_channels, strict=True)
    return " + ".join(f"{name} ({channels} channels)" for name, channels in each)


def _rgb(rgb: RgbSpec) -> str:
    if rgb.kind == "crops":
        return f"{rgb.frames} crops of {rgb.crop_px} x {rgb.crop_px} px per clip, JPEG"
    return f"{rgb.frames} {rgb.kind} embeddings of {rgb.width} per clip, weights sha256 {rgb.weights_sha256}"
