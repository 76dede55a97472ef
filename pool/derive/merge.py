"""New stores out of clips of others: merging and choosing. Features are copied as stored, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, new_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Status, StoreSpec
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.resume import find_difference

__all__ = ["merge_stores", "subset_store"]

_DERIVED = "derived_from"
_FREE_TEXTS = ("licence", "citation", "source")
_ALIKE = (
    "persons", "steps", "joints", "channels", "skeleton", "backbone", "tap", "weights_sha256", "precision",
    "rgb", "map_mean", "config",
)  # fmt: skip
"""Fields of a `StoreSpec` in which stores must agree to be merged."""


def merge_stores(
    stores: Sequence[FeatureStore],
    out: str | Path,
    *,
    overwrite: bool = False,
    on_clips: OnClips = lambda count: None,
) -> None:
    """Make one store of the clips of several, in order.

    Classes are matched by name and numbered as they first appear. A column or split protocol that a
    store lacks is empty for its clips. Licences, citations and sources are listed one after another.

    Args:
        stores: two or more, without pending clips, made by the same network and configuration.
        out: folder to make.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if the stores do not fit together or share a clip id, or `out` exists.
    """
    first = stores[0]
    for other in stores[1:]:
        difference = find_difference(_alike(first.spec), _alike(other.spec))
        if difference:
            raise HeatpoolError(
                f"{other.source.name}: cannot be merged into {first.source.name}: {difference}"
            )
    for store in stores:
        pending = int((store.clips.status == Status.PENDING).sum())
        if pending:
            raise HeatpoolError(
                f"{store.source.name}: expected a complete store, {pending} clips are pending; "
                "finish it with heatpool extract … --resume"
            )
    texts: dict[str, Any] = {
        name: "; ".join(dict.fromkeys(filter(None, (getattr(store.spec, name) for store in stores))))
        for name in _FREE_TEXTS
    }
    config = _derived(first.spec, {"merge": [store_digest(store.source) for store in stores]})
    spec = replace(first.spec, config=config, **texts)
    everything = [(store, np.arange(len(store))) for store in stores]
    index = _join([store.clips.index for store in stores])
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
    spec = replace(store.spec, config=_derived(store.spec, origin))
    _copy_clips([(store, rows)], out, spec=spec, index=index, overwrite=overwrite, on_clips=on_clips)


def _alike(spec: StoreSpec) -> dict[str, Any]:
    values = {name: getattr(spec, name) for name in _ALIKE}
    config = {key: value for key, value in spec.config.items() if key != _DERIVED}
    return values | {"config": config}


def _derived(spec: StoreSpec, origin: Mapping[str, Any]) -> dict[str, object]:
    before = spec.config.get(_DERIVED)
    history = {**origin, "before": before} if before else dict(origin)
    return {**spec.config, _DERIVED: history}


def _join(indices: Sequence[ClipIndex]) -> ClipIndex:
    """One index after another, classes matched by name."""
    ids = tuple(chain.from_iterable(index.clip_id for index in indices))
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if repeated:
        raise HeatpoolError(
            f"cannot merge, {len(repeated)} clip ids are in several stores, for example {repeated[0]!r}"
        )
    names = _in_order(index.class_names for index in indices)
    number = {name: label for label, name in enumerate(names)}
    labels = [
        np.array([*(number[name] for name in index.class_names), -1], np.int32)[index.label]
        for index in indices
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


def _in_order(groups: Iterable[Iterable[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(chain.from_iterable(groups)))


def _copy_clips(
    pieces: Sequence[tuple[FeatureStore, np.ndarray]],
    out: str | Path,
    *,
    spec: StoreSpec,
    index: ClipIndex,
    overwrite: bool,
    on_clips: OnClips,
) -> None:
    """Write the rows of some stores, one after another, as one store."""
    starts = np.cumsum([0, *(len(rows) for _, rows in pieces)])
    shard_clips = pieces[0][0].layout.shard_clips
    with new_store(out, spec=spec, index=index, shard_clips=shard_clips, overwrite=overwrite) as writer:
        for shard in range(writer.layout.shards):
            wanted = writer.layout.rows(shard)
            blocks, results = [], []
            for (store, rows), start in zip(pieces, starts.tolist(), strict=False):
                chosen = rows[max(wanted.start - start, 0) : max(wanted.stop - start, 0)]
                if len(chosen):
                    blocks.append(store.read_stored(chosen))
                    results += store.results(chosen)
            stored = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
            writer.write_stored(shard, stored, results)
            on_clips(len(wanted))
