"""`heatpool info`: what a feature store holds, for people."""

from __future__ import annotations

import numpy as np

from pipelines.configs import InfoConfig
from pool.records import Part, Status
from pool.store import FeatureStore

__all__ = ["describe", "run"]


def run(config: InfoConfig) -> int:
    """Print the card of a store.

    Raises:
        HeatpoolError: if there is no store of this version.
    """
    print(describe(FeatureStore.open(config.store)))
    return 0


def describe(store: FeatureStore) -> str:
    """Return shape, statuses, classes, splits, bytes and provenance of a store as aligned lines."""
    spec, index = store.spec, store.index
    status = store.status
    usable = np.isin(status, (Status.OK, Status.TRUNCATED))
    lines = [
        ("store", str(store.path)),
        ("clips", f"{len(store)}: {_counts({each.name.lower(): status == each for each in Status})}"),
        (
            "pooled",
            f"(N, M, T, V, C) = ({len(store)}, {spec.persons}, {spec.steps}, {spec.joints}, {spec.channels})",
        ),
        ("persons", _counts({f"with {count}": store.persons == count for count in range(spec.persons + 1)})),
    ]
    if usable.any():
        frames = store.frames[usable]
        lines.append(("frames", f"{frames.min()} to {frames.max()}, mean {frames.mean():.0f}"))
    lines.append(("classes", f"{len(index.class_names)}: {_short(index.class_names)}"))
    unlabelled = int((index.label < 0).sum())
    if unlabelled:
        lines.append(("unlabelled", f"{unlabelled} clips"))
    for name, parts in index.splits.items():
        lines.append((f"split {name}", _counts({part.name.lower(): parts == part for part in Part})))
    sizes = store.bytes_by_array()
    of_features = {name: sizes[name] for name in store.layout.features}
    of_features["index"] = sum(sizes.values()) - sum(of_features.values())
    each = ", ".join(f"{name} {size / len(store):,.0f}" for name, size in of_features.items())
    lines.append(("bytes a clip", f"{sum(sizes.values()) / len(store):,.0f} ({each})"))
    lines += [
        ("backbone", f"{spec.backbone}, tap {spec.tap}"),
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


def _short(names: tuple[str, ...], most: int = 16) -> str:
    rest = f", … {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest if names else "none"
