"""The features that stage two reads: where they lie, which split, what decoded ones are kept in."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from heatpool.classify.data.splits import complete_split
from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pipelines.options.shared import CacheOptions
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pipelines.runs.config import full_location
from heatpool.pipelines.training.relabel import join_manifest
from heatpool.pool.disk.files import cache_folder
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import Status
from heatpool.pool.split_findings import find_split_problems
from heatpool.pool.split_findings.leaks import refuse_leaks
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.versions import Versions, check_versions, parse_versions

if TYPE_CHECKING:
    from heatpool.classify.data.cache import LoaderCache
    from heatpool.classify.data.clips import InputName

__all__ = [
    "compare_versions", "extraction_facts", "lasting_name", "loader_cache", "open_for_training",
    "open_labelled", "pending_note", "pick_protocol", "prepare_cache", "require_labelled", "split_problems",
    "with_held_streams",
]  # fmt: skip

_log = logging.getLogger(__name__)


def open_labelled(location: str | Path, manifest: Path | None = None) -> FeatureStore:
    """Open a store, archive or address that holds at least one labelled, usable clip.

    Args:
        location: of the store.
        manifest: whose labels, splits and columns stand in for those of the store.

    Raises:
        HeatpoolError: if there is no such store, or the manifest does not fit it.
    """
    store = FeatureStore.open(location)
    if manifest is not None:
        store = store.with_index(join_manifest(store, manifest).index)
    require_labelled(store)
    return store


def require_labelled(store: FeatureStore) -> None:
    """Raise HeatpoolError unless at least one labelled clip of a store is usable."""
    usable = store.clips.rows()
    if not len(usable):
        raise HeatpoolError(f"{store.source.name} holds no extracted clip yet: heatpool extract … --resume")
    if not (store.clips.label[usable] >= 0).any():
        raise HeatpoolError(
            f"expected labels in {store.source.name}, all {len(usable)} clips are unlabelled: give them by "
            "--manifest, a CSV with the columns path and class_name (heatpool relabel: for good)"
        )


def open_for_training(
    location: str | Path,
    protocol: str | None,
    disjoint: Mapping[str, str],
    *,
    manifest: Path | None = None,
) -> tuple[FeatureStore, str, tuple[str, ...]]:
    """Open a store and choose a protocol whose splits share nothing that they must not share.

    What the protocol lacks is made up for, see `complete_split`; the third value says how, a line each.

    Args:
        location: of the store.
        protocol: the one that is asked for, if any.
        disjoint: rules beside those of the store: protocol to column.
        manifest: see `open_labelled`.

    Raises:
        HeatpoolError: if there is no such store or protocol, or its splits leak.
    """
    store = open_labelled(location, manifest)
    chosen = pick_protocol(store, protocol)
    index, notes = complete_split(store.clips.index, chosen, store.clips.rows())
    refuse_leaks(index, chosen, disjoint=disjoint)
    return store.with_index(index) if notes else store, chosen, notes


def pending_note(store: FeatureStore) -> list[str]:
    """Return a line that says how many clips of a store are still to be made; nothing if none is."""
    pending = int((store.clips.status == Status.PENDING).sum())
    if not pending:
        return []
    return [
        f"{pending} of {len(store)} clips of {store.source.name} are pending: what makes it did not come to "
        "its end (heatpool extract … --resume)"
    ]


def split_problems(store: FeatureStore, protocol: str, rows: np.ndarray) -> list[str]:
    """Return what is wrong with a store's clips and with the (n,) rows of a protocol, a line each."""
    return [*pending_note(store), *find_split_problems(store.clips.index, protocol, rows)]


def pick_protocol(store: FeatureStore, asked: str | None) -> str:
    """Return the split protocol to use: the asked one, the only one, or xsub.

    Raises:
        HeatpoolError: if it does not exist, there is none, or the choice is open.
    """
    names = list(store.clips.protocols)
    if not names:
        raise HeatpoolError(
            f"expected a split in {store.source.name}: --folds 5 makes some, or give --manifest, a CSV with "
            "a column (any name) that holds train, val and test"
        )
    if asked is None and len(names) > 1 and "xsub" not in names:
        raise HeatpoolError(f"expected --protocol, one of {', '.join(names)}")
    protocol = asked or (names[0] if len(names) == 1 else "xsub")
    if protocol not in names:
        raise HeatpoolError(f"expected --protocol to be one of {', '.join(names)}, got {protocol!r}")
    return protocol


def with_held_streams(options: TrainOptions, store: FeatureStore) -> TrainOptions:
    """Return the options without those default streams whose features an imported store lacks; say so.

    Raises:
        HeatpoolError: if HP-Net is to be trained without pooled features.
    """
    held = store.attributes["config"].get("arrays")
    if held is None or options.streams or options.input:
        return options
    if options.model == "hpnet":
        if "pooled" in held:
            return options
        raise HeatpoolError(
            f"expected pooled features for --model hpnet, {store.source.name} holds {' and '.join(held)} "
            "only; the other models train on these"
        )
    streams = tuple(name for name in options.stream_names if name.partition("_")[0] in held)
    if len(streams) < len(options.stream_names):
        _log.info("%s holds %s only: training on that", store.source.name, " and ".join(held))
    return replace(options, streams=streams)


def extraction_facts(store: FeatureStore) -> dict[str, Any]:
    """What the summary of a run keeps of how its features were made."""
    spec = replace(store.spec, versions=store.versions)
    return {"spec": asdict(spec), "options": read_run_file(store).get("options", {})}


def compare_versions(summary: Mapping[str, Any], made: Versions, *, name: str) -> None:
    """Say where other versions of packages made some features than those that a run was trained on.

    Args:
        summary: of the run.
        made: versions that make or made the features.
        name: of these features.

    Raises:
        HeatpoolError: if the summary is damaged.
    """
    spec = summary.get("extraction", {}).get("spec", {})
    try:
        trained_on = parse_versions(spec.get("versions", {}))
    except ValueError as error:
        raise HeatpoolError(f"damaged summary of the run: {error}") from error
    makers = {"the run": trained_on, name: made}
    check_versions(makers, backbone=spec.get("backbone", ""), mixed=True)


def lasting_name(store: FeatureStore) -> str:
    """Where a store lies, as another run on this machine finds it; without secrets in an address."""
    return full_location(store.source.name)


def loader_cache(options: CacheOptions) -> LoaderCache:
    """Return the cache that options ask for."""
    from heatpool.classify.data.cache import LoaderCache

    return LoaderCache(
        mode=options.cache,
        folder=options.cache_dir or cache_folder(),
        limit_bytes=round(options.cache_gb * 1e9),
    )


def prepare_cache(
    options: CacheOptions,
    store: FeatureStore,
    rows: Mapping[str, np.ndarray],
    inputs: Sequence[InputName],
    *,
    quiet: bool,
) -> LoaderCache:
    """Return the cache that options ask for; one on disk is made here, once for all processes.

    Args:
        options: of train or evaluate.
        store: opened feature store.
        rows: (n,) rows of each split that is needed.
        inputs: arrays of the store that streams are made of.
        quiet: show no progress.

    Raises:
        HeatpoolError: if a shard is damaged, or the features do not fit on the disk.
    """
    from heatpool.classify.data.batches import load_splits
    from heatpool.classify.data.cache import cached_bytes

    cache = loader_cache(options)
    if cache.mode != "disk":
        return cache
    with Progress("cache", len(store.clips.rows()) * len(inputs), "clips", quiet=quiet) as progress:
        for name in inputs:
            load_splits(store, rows, input=name, cache=replace(cache, on_clips=progress.step))
    held = cached_bytes(cache.folder)
    _log.info("cache: %.3g GB in %s", sum(held.values()) / 1e9, cache.folder)
    return cache
