"""`heatpool info`: what a feature store holds, for people."""

from __future__ import annotations

import csv
from typing import TextIO

import numpy as np

from heatpool.pipelines.options import InfoOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import RgbSpec, Split, Status, StoreSpec
from heatpool.pool.store.reader import FeatureStore

__all__ = ["describe", "run", "write_table"]

_BLOCK_CLIPS = 65_536


def run(config: InfoOptions) -> int:
    """Print the card of a store, or write its clips as a table.

    Raises:
        HeatpoolError: if there is no store of this version, or the table cannot be written.
    """
    store = FeatureStore.open(config.store)
    if config.csv is None:
        print(describe(store))
    else:
        if config.csv.exists() and not config.overwrite:
            raise HeatpoolError(f"{config.csv}: already exists; give another file or --overwrite")
        try:
            with config.csv.open("w", newline="", encoding="utf-8") as file:
                write_table(store, file)
        except OSError as error:
            raise HeatpoolError(f"{config.csv}: cannot write ({error.strerror})") from error
    return 0


def write_table(store: FeatureStore, file: TextIO) -> None:
    """Write `FeatureStore.table` as CSV, a block of clips at a time, so that any store fits in memory."""
    table = csv.writer(file, lineterminator="\n")
    for first in range(0, max(len(store), 1), _BLOCK_CLIPS):
        columns = store.clips.table(np.arange(first, min(first + _BLOCK_CLIPS, len(store))))
        if first == 0:
            table.writerow(columns)
        table.writerows(zip(*(values.tolist() for values in columns.values()), strict=True))


def describe(store: FeatureStore) -> str:
    """Return shape, statuses, classes, splits, bytes and provenance of a store as aligned lines."""
    spec, names, clips = store.spec, store.clips.class_names, max(len(store), 1)
    status = store.clips.status
    usable = np.isin(status, (Status.OK, Status.TRUNCATED))
    lines = [
        ("store", store.source.name),
        ("clips", f"{len(store)}: {_counts({each.name.lower(): status == each for each in Status})}"),
        (
            "pooled",
            f"(N, M, T, V, C) = ({len(store)}, {spec.persons}, {spec.steps}, {spec.joints}, {spec.channels})"
            f", precision {spec.precision}",
        ),
        ("persons", _counts({f"with {count}": store.clips.persons == count for count in range(spec.persons + 1)})),
    ]
    if usable.any():
        frames = store.clips.frames[usable]
        lines.append(("frames", f"{frames.min()} to {frames.max()}, mean {frames.mean():.0f}"))
    lines.append(("classes", f"{len(names)}: {_short(names)}"))
    unlabelled = int((store.clips.label < 0).sum())
    if unlabelled:
        lines.append(("unlabelled", f"{unlabelled} clips"))
    for name in store.clips.protocols:
        splits = store.clips.split(name)
        lines.append((f"split {name}", _counts({split.name.lower(): splits == split for split in Split})))
    sizes = store.bytes_by_array()
    of_features = {name: sizes[name] for name in store.layout.stored}
    of_features["index"] = sum(sizes.values()) - sum(of_features.values())
    each = ", ".join(f"{name} {size / clips:,.0f}" for name, size in of_features.items())
    lines.append(("bytes a clip", f"{sum(sizes.values()) / clips:,.0f} ({each})"))
    if spec.map_mean:
        lines.append(("map mean", f"{spec.channels} channels"))
    if spec.rgb is not None:
        lines.append(("rgb", _rgb(spec.rgb)))
    lines += [
        ("backbone", f"{spec.backbone}, tap {_taps(spec)}"),
        ("weights", f"sha256 {spec.weights_sha256}" if spec.weights_sha256 else "none"),
        ("skeleton", spec.skeleton),
        ("code", f"heatpool {store.attributes['code_version']}, format {store.attributes['version']}"),
        ("config", ", ".join(f"{key} {value}" for key, value in spec.config.items() if value != "")),
        ("licence", spec.licence or "not stated"),
        ("citation", spec.citation or "not stated"),
        ("source", spec.source or "not stated"),
    ]
    return "\n".join(f"{name:<13} {text}" for name, text in lines)


def _counts(flags: dict[str, np.ndarray]) -> str:
    return ", ".join(f"{int(flag.sum())} {name}" for name, flag in flags.items() if flag.any())


def _rgb(rgb: RgbSpec) -> str:
    if rgb.kind == "crops":
        return f"{rgb.frames} crops of {rgb.crop_px} x {rgb.crop_px} px a clip, JPEG"
    return f"{rgb.frames} {rgb.kind} embeddings of {rgb.width} a clip, weights sha256 {rgb.weights_sha256}"


def _taps(spec: StoreSpec) -> str:
    if len(spec.tap_channels) < 2:
        return spec.tap
    each = zip(spec.tap_names, spec.tap_channels, strict=True)
    return " + ".join(f"{name} ({channels} channels)" for name, channels in each)


def _short(names: tuple[str, ...], most: int = 16) -> str:
    rest = f", … {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "none"
