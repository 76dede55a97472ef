"""The data card of a store: what it holds, how it was made, and on what terms it may be used."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Split, Status
from heatpool.pool.sources.archive_format import CARD
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore

__all__ = ["draft_card", "read_card", "store_card"]

_ASK = "*(not stated: please fill in)*"
_MOST_CLASSES = 200


def store_card(store: FeatureStore) -> str:
    """The card that a store carries (README.md beside its arrays), else a draft of one.

    Raises:
        HeatpoolError: if the card is not UTF-8 text.
    """
    data = store.source.read(CARD)
    return draft_card(store) if data is None else _decode(data, f"{store.source.name}: {CARD}")


def read_card(path: Path) -> str:
    """A card from a file. Raises HeatpoolError if it cannot be read as UTF-8 text."""
    try:
        return _decode(path.read_bytes(), str(path))
    except OSError as error:
        raise HeatpoolError(f"{path}: cannot read the data card ({error.strerror})") from error


def _decode(data: bytes, name: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise HeatpoolError(f"{name}: expected UTF-8 text, got other bytes") from error


def draft_card(store: FeatureStore) -> str:
    """A card in Markdown from what the store knows; it says where a person should add something."""
    spec, attributes = store.spec, store.attributes
    usable = len(store.clips.rows())
    sizes = f"({len(store)}, {spec.persons}, {spec.steps}, {spec.joints}, {spec.channels})"
    sections = [
        "# Pooled heatmap features",
        "What these clips show, who recorded them and what the features are good for: " + _ASK,
        "## Contents",
        f"- {len(store)} clips, {usable} of them with features ({_statuses(store)})\n"
        f"- `pooled` (clip, person, step, joint, channel) = {sizes}, precision {spec.precision}; keypoints "
        f"({spec.skeleton}), boxes, mask, times{', means of the tapped maps' if spec.map_mean else ''}\n"
        f"- {len(store.clips.class_names)} classes{_classes(store)}\n" + _splits(store),
        "## How they were made",
        f"- pose network: {spec.backbone}, pooled from {spec.tap}\n"
        f"- its weights: {f'SHA-256 {spec.weights_sha256}' if spec.weights_sha256 else 'none'}\n"
        f"- program: heatpool {attributes['code_version']}, format {attributes['format']} "
        f"version {attributes['version']}\n"
        f"- configuration: {_config(store)}",
        "## Licence",
        spec.licence or _ASK,
        "## Citation",
        spec.citation or _ASK,
        "## Provenance",
        spec.source or _ASK,
        f"Digest of the store: `{store_digest(store.source)}`",
        "## Use",
        "```\nheatpool info THIS_FILE.hpz\nheatpool train --features THIS_FILE.hpz\n```\n\n"
        "The file is an ordinary zip of a Zarr v3 group; `heatpool archive unpack` checks every byte of it.",
    ]
    return "\n\n".join(sections) + "\n"


def _statuses(store: FeatureStore) -> str:
    counts = np.bincount(store.clips.status, minlength=len(Status))
    return ", ".join(f"{counts[each]} {each.name.lower()}" for each in Status if counts[each])


def _classes(store: FeatureStore) -> str:
    names = store.clips.class_names
    if not names:
        return ""
    rest = f", … {len(names) - _MOST_CLASSES} more" if len(names) > _MOST_CLASSES else ""
    return ": " + ", ".join(names[:_MOST_CLASSES]) + rest


def _splits(store: FeatureStore) -> str:
    lines = []
    for protocol in store.clips.protocols:
        counts = np.bincount(store.clips.split(protocol), minlength=len(Split))
        splits = (split for split in Split if split != Split.NONE)
        lines.append(
            f"- split {protocol}: " + ", ".join(f"{counts[split]} {split.name.lower()}" for split in splits)
        )
    return "\n".join(lines)


def _config(store: FeatureStore) -> str:
    known = {key: value for key, value in store.spec.config.items() if value not in ("", None)}
    return "`" + json.dumps(known, ensure_ascii=False) + "`"
