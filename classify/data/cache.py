"""The loader cache: a store's features decoded once, shard by shard, to be read at random ever after.

Axis letters: N clips, M person slots, P persons present (packed), T steps, V joints, C channels.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import psutil
import torch
from torch import Tensor

from heatpool.classify.data.persons import (
    Decode,
    FeatureRows,
    ItemShape,
    OnClips,
    Persons,
    StoreFetch,
    count_bytes,
    fill_features,
    find_persons,
)
from heatpool.pool.disk.atomic import atomic_folder
from heatpool.pool.disk.files import cache_folder, clean_leftovers
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.digests import store_digest

if TYPE_CHECKING:
    from heatpool.pool.store.reader import FeatureStore

__all__ = ["CacheMode", "LoaderCache", "cached_bytes"]

CacheMode = Literal["ram", "disk", "none"]
_VERSION = 1
_INFO, _FEATURES = "info.json", "features.f2"


@dataclass(frozen=True)
class LoaderCache:
    """Where decoded features are kept.

    Attributes:
        mode: "ram" = in this process's memory, nothing is left behind; "disk" = in a file that runs and
            processes share, memory-mapped; "none" = nowhere, every batch is read from the store.
        folder: of the caches on disk.
        limit_bytes: most that the folder may hold; what was not used for longest makes room.
        on_clips: progress of reading.
    """

    mode: CacheMode = "ram"
    folder: Path = field(default_factory=cache_folder)
    limit_bytes: int = 100 * 10**9
    on_clips: OnClips | None = None

    def open(
        self, store: FeatureStore, rows: np.ndarray, *, kind: str, item_shape: ItemShape, decode: Decode
    ) -> tuple[Persons, Tensor | FeatureRows]:
        """Make features available for random reading.

        Args:
            store: opened feature store.
            rows: (n,) ascending rows that are needed; a cache on disk holds all usable ones.
            kind: names what `decode` makes; part of the key on disk.
            item_shape: (T, V, C).
            decode: reads and prepares the features of a few rows.

        Returns:
            The persons (of these rows at least) and their features (P, T, V, C) in the same order.

        Raises:
            HeatpoolError: if a shard is damaged, or memory or disk do not suffice.
        """
        if self.mode == "disk":
            return self._open_disk(store, kind, item_shape, decode)
        persons = find_persons(store, rows)
        if self.mode == "none":
            fetch = StoreFetch(persons, decode, store.layout.shard_clips)
            return persons, FeatureRows(fetch, torch.arange(len(persons)), item_shape)
        needed, free = count_bytes(persons, item_shape), psutil.virtual_memory().available
        if needed > free:
            raise HeatpoolError(
                f"expected {_gb(needed)} of free memory for the features, got {_gb(free)}; use --cache disk"
            )
        features = np.empty((len(persons), *item_shape), np.float16)
        fill_features(
            features, persons, decode=decode, shard_clips=store.layout.shard_clips, on_clips=self.on_clips
        )
        return persons, torch.from_numpy(features)

    def _open_disk(
        self, store: FeatureStore, kind: str, item_shape: ItemShape, decode: Decode
    ) -> tuple[Persons, Tensor | FeatureRows]:
        from filelock import FileLock  # needed here only, and slow to import

        entry = self.folder / f"{store_digest(store.source)[:32]}-{kind}-{_VERSION}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # The lock goes with its process, however that ends; who waited finds the cache made.
            with FileLock(entry.with_suffix(".lock")):
                if (opened := _open_entry(entry, item_shape)) is None:
                    shutil.rmtree(entry, ignore_errors=True)
                    self._build(entry, store, item_shape, decode)
                    opened = _open_entry(entry, item_shape)
        except OSError as error:
            raise HeatpoolError(f"{entry}: cannot cache features ({error.strerror or error})") from error
        if opened is None:
            raise HeatpoolError(f"{entry}: was changed by another program; clear {self.folder}")
        return opened

    def _build(self, entry: Path, store: FeatureStore, item_shape: ItemShape, decode: Decode) -> None:
        clean_leftovers(self.folder)
        persons = find_persons(store, store.clips.rows())
        size = count_bytes(persons, item_shape)
        self._make_room(size)
        with atomic_folder(entry) as aside:
            for name in ("row", "slot", "mask"):
                np.save(aside / f"{name}.npy", getattr(persons, name), allow_pickle=False)
            (aside / _FEATURES).touch()
            if size:
                shape = (len(persons), *item_shape)
                features = np.memmap(aside / _FEATURES, np.float16, "r+", shape=shape)
                fill_features(
                    features,
                    persons,
                    decode=decode,
                    shard_clips=store.layout.shard_clips,
                    on_clips=self.on_clips,
                )
                features.flush()
            info = {
                "store": store.source.name,
                "persons": len(persons),
                "item_shape": item_shape,
                "bytes": size,
            }
            (aside / _INFO).write_text(json.dumps(info) + "\n", encoding="utf-8")

    def _make_room(self, size: int) -> None:
        """Remove caches, the one unused for longest first, until `size` more bytes are within the limit."""
        if size > self.limit_bytes:
            raise HeatpoolError(
                f"expected a cache of at most {_gb(self.limit_bytes)}, the features take {_gb(size)}; "
                "raise --cache-gb"
            )
        entries = sorted(cached_bytes(self.folder).items(), key=lambda entry: entry[0].stat().st_mtime)
        total = size + sum(of_entry for _, of_entry in entries)
        for entry, of_entry in entries:
            if total <= self.limit_bytes:
                break
            shutil.rmtree(entry)  # whoever has it open keeps what was mapped
            total -= of_entry
        free = shutil.disk_usage(self.folder).free
        if size > free:
            raise HeatpoolError(
                f"{self.folder}: expected {_gb(size)} of free disk for the features, got {_gb(free)}; "
                "use another --cache-dir"
            )


def cached_bytes(folder: Path) -> dict[Path, int]:
    """Bytes of each cache in a folder."""
    infos = folder.glob(f"*/{_INFO}") if folder.is_dir() else ()
    return {
        info.parent: sum(file.stat().st_size for file in info.parent.iterdir())
        for info in infos
        if not info.parent.name.startswith(".tmp-")
    }


def _open_entry(entry: Path, item_shape: ItemShape) -> tuple[Persons, Tensor] | None:
    """Open a finished cache; None when there is none, or its files do not fit together."""
    try:
        info: Mapping[str, Any] = parse_json((entry / _INFO).read_bytes())
        arrays = {
            name: np.load(entry / f"{name}.npy", allow_pickle=False) for name in ("row", "slot", "mask")
        }
        persons = Persons(**arrays)
        intact = (
            (entry / _FEATURES).stat().st_size == info["bytes"] == count_bytes(persons, item_shape)
            and persons.row.shape == persons.slot.shape == persons.mask.shape[:1]
        )  # fmt: skip
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None
    if not intact:
        return None
    os.utime(entry)  # its turn to make room comes later
    shape = (len(persons), *item_shape)
    # Copy on write: torch wants writable memory, and the file must never change.
    features = (
        np.memmap(entry / _FEATURES, np.float16, "c", shape=shape) if len(persons) else np.zeros(shape, "f2")
    )
    return persons, torch.from_numpy(features)


def _gb(size: int) -> str:
    return f"{size / 1e9:.3g} GB"
