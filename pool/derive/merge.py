"""New stores out of clips of others: merging and choosing. Features are copied as stored, bit for bit."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, Piece, copy_clips, new_store
from heatpool.pool.disk.class_names import alike_names, plain_name
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Status
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.resume import find_difference
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.versions import check_versions, join_versions

__all__ = [
    "join_clips",
    "join_config",
    "merge_stores",
    "refuse_other_networks",
    "refuse_pending",
    "say_alike_classes",
    "subset_store",
]

_log = logging.getLogger(__name__)

_UNNAMED = re.compile(r"class \d+")  # what numbers are called where nothing names them
_DERIVED = "derived_from"
_SPLIT_NAMES = "split_names"
_FILES = ("boxes_sha256", "keypoints_sha256")
_FREE_TEXTS = ("licence", "citation", "source")
_ALIKE = (
    "persons", "steps", "joints", "channels", "skeleton", "backbone", "tap", "weights_sha256",
    "rgb", "map_mean", "config",
)  # fmt: skip
"""Fields of a `StoreSpec` in which stores must agree to be merged; the file of persons is each part's own."""


def merge_stores(
    stores: Sequence[FeatureStore],
    out: str | Path,
    *,
    mixed_versions: bool = False,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make one store of the clips of several, in order.

    Classes are matched by name and numbered as they first appear. A column or split protocol that a
    store lacks is empty for its clips. Licences, citations and sources are listed one after another.

    Args:
        stores: two or more, without pending clips, made by the same network and configuration.
        out: folder to make.
        mixed_versions: also where versions of packages that are known to move features made them.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if the stores do not fit together or share a clip id, or `out` exists.
    """
    for other in stores[1:]:
        refuse_other_networks(other.spec, stores[0].spec, names=(other.source.name, stores[0].source.name))
    for store in stores:
        refuse_pending(store)
    made = {store.source.name: store.versions for store in stores}
    check_versions(made, backbone=stores[0].spec.backbone, mixed=mixed_versions)
    first = stores[0].spec
    texts: dict[str, Any] = {
        name: "; ".join(dict.fromkeys(filter(None, (getattr(store.spec, name) for store in stores))))
        for name in _FREE_TEXTS
    }
    first = replace(first, config=join_config([store.spec for store in stores]))
    config = _derived(first, {"merge": [store_digest(store.source) for store in stores]})
    spec = replace(first, config=config, versions=join_versions(*made.values()), **texts)
    everything = [(store, np.arange(len(store))) for store in stores]
    indices = [store.clips.index for store in stores]
    index = join_clips(indices)
    say_alike_classes(indices)
    _copy_clips(everything, out, spec=spec, index=index, overwrite=overwrite, on_clips=on_clips)


def subset_store(
    store: FeatureStore,
    out: str | Path,
    *,
    rows: np.ndarray,
    keep_classes: bool = True,
    choice: Mapping[str, Any] | None = None,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make a store of some clips of another.

    Args:
        store: to choose from.
        out: folder to make.
        rows: (n,) ascending rows, none of them pending.
        keep_classes: keep all class names; else only those that a chosen clip has, numbered anew.
        choice: how the rows were chosen, for the record.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if no clip is left, or `out` exists.
    """
    if len(rows) == 0:
        raise HeatpoolError(f"{store.source.name}: no usable clip is left by this choice")
    index = store.clips.index_of(rows)
    if not keep_classes:
        used = np.unique(index.label[index.label >= 0])
        number = np.full(len(index.class_names) + 1, -1, np.int32)  # the last entry is for label -1
        number[used] = np.arange(len(used))
        names = tuple(index.class_names[label] for label in used.tolist())
        index = replace(index, label=number[index.label], class_names=names)
    origin = {"subset": {"of": store_digest(store.source), **(choice or {})}}
    spec = replace(store.spec, config=_derived(store.spec, origin), versions=store.versions)
    _copy_clips([(store, rows)], out, spec=spec, index=index, overwrite=overwrite, on_clips=on_clips)


def refuse_pending(store: FeatureStore) -> None:
    """Raise HeatpoolError if clips of a store are pending."""
    pending = int((store.clips.status == Status.PENDING).sum())
    if pending:
        raise HeatpoolError(
            f"{store.source.name}: expected a complete store, {pending} clips are pending; "
            "finish it with heatpool extract … --resume"
        )


def refuse_other_networks(spec: StoreSpec, first: StoreSpec, *, names: tuple[str, str]) -> None:
    """Raise HeatpoolError unless features of both come from the same networks and configuration.

    Args:
        spec: of the store to be added.
        first: of the store that it would be added to.
        names: of both, for the message.
    """
    difference = find_difference(_alike(first), _alike(spec))
    if difference:
        rounded = difference.startswith("precision")
        hint = "; merge those that they were made of, then convert" if rounded else ""
        raise HeatpoolError(f"{names[0]}: cannot be merged into {names[1]}: {difference}{hint}")


def _alike(spec: StoreSpec) -> dict[str, Any]:
    values = {name: getattr(spec, name) for name in _ALIKE}
    own = (_DERIVED, _SPLIT_NAMES, *_FILES)
    config = {key: value for key, value in spec.config.items() if key not in own}
    steps = ", ".join(f"{name} {levels.step:.7g}" for name, levels in spec.levels.items())
    precision = f"{spec.precision} in steps of {steps}" if steps else spec.precision
    return values | {"config": config, "edges": spec.graph.edges, "precision": precision}


def join_config(specs: Sequence[StoreSpec]) -> dict[str, object]:
    """The configuration of the first store; with a list of hashes where persons came from several files.

    Of what files called their splits (PYSKL), all protocols stay, each as its first store has it.
    """
    config = dict(specs[0].config)
    called = {key: names for spec in specs[::-1] for key, names in _split_names(spec).items()}
    if called:
        config[_SPLIT_NAMES] = called
    for key in _FILES:
        found = [spec.config.get(key, "") for spec in specs]
        hashes = _in_order(map(str, each) if isinstance(each, list) else [str(each)] for each in found)
        if len(hashes) > 1:
            config[key] = list(hashes)
    return config


def _split_names(spec: StoreSpec) -> Mapping[str, Any]:
    names = spec.config.get(_SPLIT_NAMES)
    return names if isinstance(names, Mapping) else {}


def _derived(spec: StoreSpec, origin: Mapping[str, Any]) -> dict[str, object]:
    before = spec.config.get(_DERIVED)
    history = {**origin, "before": before} if before else dict(origin)
    return {**spec.config, _DERIVED: history}


def join_clips(indices: Sequence[ClipIndex]) -> ClipIndex:
    """One index after another, classes matched by name and numbered as they first appear.

    A column or split protocol that an index lacks is empty for its clips.

    Raises:
        HeatpoolError: if they share a clip id, or their split rules differ.
    """
    ids = tuple(chain.from_iterable(index.clip_id for index in indices))
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise HeatpoolError(
            f"cannot merge, {len(repeated)} clip ids are in several stores, for example {repeated[0]!r}"
        )
    called = _class_names(indices)
    names = _in_order(called)
    number = {name: label for label, name in enumerate(names)}
    labels = [
        np.array([*(number[name] for name in own), -1], np.int32)[index.label]
        for own, index in zip(called, indices, strict=True)
    ]
    columns = _in_order(index.columns for index in indices)
    splits = _in_order(index.splits for index in indices)
    return ClipIndex(
        clip_id=ids,
        path=tuple(chain.from_iterable(index.path for index in indices)),
        label=np.concatenate(labels),
        class_names=names,
        columns={
            name: tuple(chain.from_iterable(index.columns.get(name, ("",) * len(index)) for index in indices))
            for name in columns
        },
        splits={
            name: np.concatenate(
                [index.splits.get(name, np.zeros(len(index), np.uint8)) for index in indices]
            )
            for name in splits
        },
        disjoint=_join_rules(indices),
    )


def _join_rules(indices: Sequence[ClipIndex]) -> dict[str, str]:
    """The split rules of all; a rule of one store counts for the clips of the others too."""
    rules: dict[str, str] = {}
    for protocol, column in chain.from_iterable(index.disjoint.items() for index in indices):
        if rules.setdefault(protocol, column) != column:
            raise HeatpoolError(
                f"cannot merge, {protocol} must be disjoint by {rules[protocol]} in one store and by "
                f"{column} in another"
            )
    return rules


def _class_names(indices: Sequence[ClipIndex]) -> list[list[str]]:
    """Class names of each index, those that differ in their form of Unicode alone as they come first."""
    first: dict[str, str] = {}
    named = []
    for index in indices:
        own = set(index.class_names)
        kept = {name: first.setdefault(plain_name(name), name) for name in index.class_names}
        named.append([name if kept[name] in own else kept[name] for name in index.class_names])
    return named


def say_alike_classes(indices: Sequence[ClipIndex]) -> None:
    """Say which classes of different indices are written alike; who made one knows those of its own."""
    own = [set(each) for each in _class_names(indices)]
    for group in alike_names(chain.from_iterable(own)):
        if not any(each.issuperset(group) for each in own):
            shown = " and ".join(map(repr, group))
            _log.warning("%s are classes of their own, as the stores write them (heatpool relabel)", shown)
    numbered = [each for each in own if each and all(map(_UNNAMED.fullmatch, each))]
    named = [each for each in own if each and each not in numbered]
    if numbered and named:
        _log.warning(
            "%r of a store that names no class and %r of another are classes of their own (heatpool relabel)",
            min(numbered[0]), min(named[0]),
        )  # fmt: skip


def _in_order(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(groups)))


def _copy_clips(
    pieces: Sequence[Piece],
    out: str | Path,
    *,
    spec: StoreSpec,
    index: ClipIndex,
    overwrite: bool,
    on_clips: OnClips,
) -> None:
    """Write the rows of some stores, one after another, as one store."""
    shard_clips = pieces[0][0].layout.shard_clips
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        copy_clips(writer, pieces, on_clips=on_clips)
