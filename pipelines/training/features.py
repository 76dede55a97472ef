"""The features that a command of stage two reads: where they lie, which split, and the loader cache."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.classify.data.batches import load_splits
from heatpool.classify.data.cache import LoaderCache, cache_folder, cached_bytes
from heatpool.pipelines.options import EvaluateOptions, TrainOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.locate import is_remote
from heatpool.pool.store.reader import FeatureStore

__all__ = ["Columns", "clip_columns", "lasting_name", "open_store", "pick_protocol", "prepare_cache"]

Columns = Mapping[str, Mapping[str, str]]
"""Value by clip id, by column of the manifest (subject, camera, ...)."""


def open_store(location: str) -> FeatureStore:
    """Open a store, archive or address that holds at least one labelled, usable clip.

    Raises:
        HeatpoolError: if there is no such store.
    """
    store = FeatureStore.open(location)
    usable = store.clips.rows()
    if not len(usable):
        raise HeatpoolError(
            f"{store.source.name} holds no extracted clip yet; run heatpool extract … --resume"
        )
    if not (store.clips.label[usable] >= 0).any():
        raise HeatpoolError(
            f"expected labels in {store.source.name}, all {len(usable)} clips are unlabelled: extract from "
            "a manifest with a class_name column, or from a folder with one sub-folder a class"
        )
    return store


def pick_protocol(store: FeatureStore, asked: str | None) -> str:
    """Return the split protocol to use: the asked one, the only one, or xsub.

    Raises:
        HeatpoolError: if it does not exist, there is none, or the choice is open.
    """
    names = list(store.clips.protocols)
    if not names:
        raise HeatpoolError(
            f"expected a split in {store.source.name}: give the manifest a column (any name) that holds "
            "train, val and test, and extract with it"
        )
    if asked is None and len(names) > 1 and "xsub" not in names:
        raise HeatpoolError(f"expected --protocol, one of {', '.join(names)}")
    protocol = asked or (names[0] if len(names) == 1 else "xsub")
    if protocol not in names:
        raise HeatpoolError(f"expected --protocol to be one of {', '.join(names)}, got {protocol!r}")
    return protocol


def lasting_name(store: FeatureStore) -> str:
    """Where a store lies, as another run on this machine finds it; without secrets in an address."""
    name = store.source.name
    return name if is_remote(name) else str(Path(name).resolve())


def clip_columns(store: FeatureStore) -> Columns:
    """Return the columns that tell a store's clips apart, by clip id."""
    index = store.clips.index
    return {
        name: dict(zip(index.clip_id, values, strict=True))
        for name, values in index.columns.items()
        if len(set(values)) > 1
    }


def prepare_cache(
    config: TrainOptions | EvaluateOptions,
    store: FeatureStore,
    rows: Mapping[str, np.ndarray],
    inputs: Mapping[str, Mapping[str, Any]],
) -> LoaderCache:
    """Return the cache that a configuration asks for; one on disk is made here, once for all processes.

    Args:
        config: of train or evaluate.
        store: opened feature store.
        rows: (n,) rows of each split that is needed.
        inputs: arguments of `load_splits` by stream.

    Raises:
        HeatpoolError: if a shard is damaged, or the features do not fit on the disk.
    """
    cache = LoaderCache(
        mode=config.cache,
        folder=config.cache_dir or cache_folder(),
        limit_bytes=round(config.cache_gb * 1e9),
    )
    if cache.mode != "disk":
        return cache
    quiet = isinstance(config, TrainOptions) and config.quiet
    with Progress("cache", len(store.clips.rows()) * len(inputs), "clips", quiet=quiet) as progress:
        for arguments in inputs.values():
            load_splits(store, rows, **arguments, cache=replace(cache, on_clips=progress.step))
    if not quiet:
        held = cached_bytes(cache.folder)
        print(f"cache: {sum(held.values()) / 1e9:.3g} GB in {cache.folder}", file=sys.stderr)
    return cache
