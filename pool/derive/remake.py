"""A store made again in its place: with another index, or with further clips.

The new store is made aside. Feature files that stay as they are become hard links, so nothing is copied, and
both folders change places in one step (`pool.disk.atomic`): who reads meanwhile, or is killed, has the old
store or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, copy_clips
from heatpool.pool.derive.merge import join_clips, join_config, refuse_other_networks, refuse_pending
from heatpool.pool.disk.atomic import OnStep, atomic_folder
from heatpool.pool.records import ClipIndex
from heatpool.pool.store.create import fill_new, lock_store, replace_store
from heatpool.pool.store.finish import finish_store
from heatpool.pool.store.journal import record_key
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import BESIDE
from heatpool.pool.store.versions import join_versions
from heatpool.pool.store.writer import StoreWriter

__all__ = ["append_store", "relabel_store"]


def relabel_store(
    store: FeatureStore,
    index: ClipIndex,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    on_step: OnStep = lambda name: None,
) -> None:
    """Write labels, class names, splits and columns of a store anew; features stay the files they are.

    Args:
        store: finished, in a folder.
        index: of the same clips in the same order.
        out: store to make; default: the store itself is replaced.
        overwrite: replace an existing heatpool store at `out`.
        on_step: called with the name of each step.

    Raises:
        HeatpoolError: if the store is an archive, unfinished or being written, `out` exists, or a name in the
            index cannot be stored.
        ValueError: if the index is of other clips.
    """
    root = _folder(store)
    store.with_index(index)  # refuses other clips
    with _remade(root, out or root, overwrite=overwrite or out is None, on_step=on_step) as aside:
        attributes = _without_index(store.attributes)
        fill_new(aside, store.layout, attributes=attributes, index=index, on_step=on_step)
        _link_store(store, aside, shards=range(store.layout.shards))
        finish_store(aside, store.layout, on_step=on_step)


def append_store(
    store: FeatureStore,
    added: FeatureStore,
    *,
    on_clips: OnClips = lambda count: None,
    on_step: OnStep = lambda name: None,
) -> None:
    """Put the clips of another store behind those of a store, which is replaced.

    The result is the store that one extraction of all clips gives. Full shards stay the files they are; the
    last one, if it is not full, is filled. Classes, columns and splits are joined as by `merge_stores`.

    Args:
        store: finished, in a folder.
        added: finished, of the same networks and configuration and of other clips.
        on_clips: progress, for clips that are not yet in a full shard.
        on_step: called with the name of each step.

    Raises:
        HeatpoolError: if a store is unfinished, the store is an archive or being written, or they do not fit.
    """
    root = _folder(store)
    refuse_other_networks(added.spec, store.spec, names=(added.source.name, store.source.name))
    refuse_pending(added)
    clips = len(store) + len(added)
    index = join_clips([store.clips.index, added.clips.index])
    layout = replace(store.layout, clips=clips)
    full = len(store) // layout.shard_clips
    more: dict[str, Any] = {"clips": clips, "config": join_config([store.spec, added.spec])}
    if versions := join_versions(store.versions, added.versions):
        more["versions"] = {name: list(each) for name, each in versions.items()}
    with _remade(root, root, overwrite=True, on_step=on_step) as aside:
        attributes = _without_index({**store.attributes, **more})
        fill_new(aside, layout, attributes=attributes, index=index, on_step=on_step)
        _link_store(store, aside, shards=range(full))
        pieces = [(each, np.arange(len(each))) for each in (store, added)]
        writer = StoreWriter.attach(aside)
        copy_clips(writer, pieces, first_shard=full, on_clips=on_clips)
        finish_store(aside, layout, on_step=on_step)


def _folder(store: FeatureStore) -> Path:
    """Root of a store that may be made again."""
    root = store.path
    refuse_pending(store)
    return root


@contextmanager
def _remade(root: Path, place: Path, *, overwrite: bool, on_step: OnStep) -> Iterator[Path]:
    """Give a folder to fill, which appears at `place`; nobody writes the store at `root` meanwhile."""
    with ExitStack() as held:
        if place != root:
            held.enter_context(lock_store(root))
        held.enter_context(replace_store(place, overwrite=overwrite))
        yield held.enter_context(atomic_folder(place, overwrite, on_step=on_step))


def _without_index(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Root attributes without those that the index brings."""
    return {
        name: value for name, value in attributes.items() if name not in ("columns", "splits", "disjoint")
    }


def _link_store(store: FeatureStore, aside: Path, *, shards: range) -> None:
    """Link the files of some shards and their records, and what lies beside the format."""
    features = [store.layout.shard_key(name, shard) for name in store.layout.stored for shard in shards]
    for key in (*features, *map(record_key, shards), *BESIDE):
        if (store.path / key).exists():  # there is no file of nothing but fill values
            _link(store.path / key, aside / key)


def _link(source: Path, target: Path) -> None:
    """Link a file, or copy it where the file system has no links; nobody ever changes it in place."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
