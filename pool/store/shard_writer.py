"""Writing one shard: aside, flushed, renamed into place, journalled last, under the shard's lock.

A process killed at any instant leaves either a finished shard or a pending one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import zarr
from zarr.core.buffer import Buffer
from zarr.storage import MemoryStore

from heatpool.pool.disk.atomic import OnStep
from heatpool.pool.disk.checksum_record import Checksum
from heatpool.pool.disk.files import (
    flush_all,
    flush_folder,
    folders_above,
    hash_bytes,
    scratch_folder,
    write_atomic,
)
from heatpool.pool.disk.locks import Lock
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.store.arrays import ArraySpec, create_feature_array
from heatpool.pool.store.attributes import code_version
from heatpool.pool.store.index_rules import check_results
from heatpool.pool.store.journal import ShardRecord, record_key
from heatpool.pool.store.layout import FINISHED, JOURNAL, RESULT_DTYPES, Layout
from heatpool.pool.store.quantise import FLOAT16_MAX, quantise
from heatpool.pool.store.versions import Versions

__all__ = ["ShardWriter", "stack_features", "to_stored"]

_WITH_FEATURES = (Status.OK, Status.TRUNCATED)


def stack_features(
    layout: Layout,
    rows: range,
    features: Sequence[ClipFeatures | None],
    results: Sequence[ClipResult],
) -> dict[str, np.ndarray]:
    """Arrays (n, ...) of `layout.features` for the clips of a shard; fill values where nothing is.

    Raises:
        HeatpoolError: if a value does not fit float16.
        ValueError: if counts, shapes or statuses do not fit.
    """
    if not len(rows) == len(features) == len(results):
        raise ValueError(f"expected {len(rows)} clips, got {len(features)} features, {len(results)} results")
    for row, clip, result in zip(rows, features, results, strict=True):
        if clip is None and result.status in _WITH_FEATURES:
            raise ValueError(
                f"row {row}: expected features for status {result.status.name.lower()}, got None"
            )
        if clip is not None and result.status == Status.FAILED:
            raise ValueError(f"row {row}: expected no features for a failed clip, got some")
    return {name: _stack(spec, rows, features) for name, spec in layout.features.items()}


def _stack(spec: ArraySpec, rows: range, features: Sequence[ClipFeatures | None]) -> np.ndarray:
    stack = np.full((len(rows), *spec.item_shape), spec.fill, dtype=spec.dtype)
    for number, clip in enumerate(features):
        if clip is None:
            continue
        value = getattr(clip, spec.name)
        if value is None:
            raise ValueError(f"row {rows[number]}: expected {spec.name}, got None")
        if value.shape != spec.item_shape:
            raise ValueError(
                f"row {rows[number]}: expected {spec.name} of shape {spec.item_shape}, got {value.shape}"
            )
        if spec.dtype == "float16" and (peak := np.abs(value).max()) > FLOAT16_MAX:
            raise HeatpoolError(
                f"clip in row {rows[number]}: {spec.name} reaches {peak:.6g}, expected at most "
                f"{FLOAT16_MAX:.0f} (float16); pool another feature map (tap) of the network"
            )
        stack[number] = value
    return stack


def to_stored(layout: Layout, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays as `layout.stored` has them from arrays as `layout.features` has them."""
    stored: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        parts, levels = layout.parts(name), layout.levels.get(name)
        if levels:
            stored[name] = levels.to_levels(values)
        else:
            stored |= zip(parts, quantise(values) if len(parts) > 1 else (values,), strict=True)
    return stored


@dataclass(frozen=True)
class ShardWriter:
    """Writes one shard of a store.

    Attributes:
        root: folder of the store.
        layout: sizes of the store.
        shard: number of the shard.
        on_step: called with the name of each step.
        versions: of the packages that made it, those that are not as the store's attributes say.
    """

    root: Path
    layout: Layout
    shard: int
    on_step: OnStep
    versions: Versions

    def write(self, stored: Mapping[str, np.ndarray], results: Sequence[ClipResult]) -> ShardRecord:
        """Write the shard's files and its journal record; once this returns they are safe on disk.

        Waits while another living process writes this shard.

        Args:
            stored: arrays (n, ...) by name, all of `layout.stored`, in their dtypes.
            results: outcome of each of the n clips.

        Raises:
            HeatpoolError: if the disk refuses, or the lock was lost.
            ValueError: if a count, shape or dtype does not fit, or a clip is pending.
        """
        self._check(stored, results)
        lock_path, what = self.root / f".lock-shard{self.shard:07d}", f"{self.root}: shard {self.shard}"
        with self._disk_errors(), Lock.acquire(lock_path, what=what, wait=True) as lock:
            return self._write_locked(stored, results, lock)

    def _write_locked(
        self, stored: Mapping[str, np.ndarray], results: Sequence[ClipResult], lock: Lock
    ) -> ShardRecord:
        with scratch_folder(self.root, f"shard{self.shard}") as aside:
            self._mark_pending()
            files = self._write_aside(aside, stored)
            lock.check()  # encoding took its time: whoever took the lock over must not be overwritten
            self._rename_into_place(aside, files)
            record = ShardRecord.of(
                self.layout,
                self.shard,
                files=files,
                results=results,
                code_version=code_version(),
                versions=self.versions,
            )
            lock.check()
            write_atomic(self.root / record_key(self.shard), record.to_bytes(), temp_folder=aside)
            self._step("journalled")
        return record

    def _step(self, name: str) -> None:
        self.on_step(f"shard {self.shard}: {name}")

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise HeatpoolError(
                f"{self.root}: cannot write shard {self.shard} ({error.strerror or error}); "
                "repair that and use --resume"
            ) from error

    def _check(self, stored: Mapping[str, np.ndarray], results: Sequence[ClipResult]) -> None:
        rows = self.layout.rows(self.shard)
        if len(results) != len(rows):
            raise ValueError(f"expected {len(rows)} results, got {len(results)}")
        for row, result in zip(rows, results, strict=True):
            if result.status == Status.PENDING:
                raise ValueError(f"row {row}: expected a final status, got pending")
        for name in RESULT_DTYPES:
            outcomes = np.array([getattr(result, name) for result in results])
            check_results(name, outcomes, persons=self.layout.persons)
        if set(stored) != set(self.layout.stored):
            raise ValueError(f"expected arrays {sorted(self.layout.stored)}, got {sorted(stored)}")
        for name, spec in self.layout.stored.items():
            array, shape = stored[name], (len(rows), *spec.item_shape)
            if array.shape != shape or array.dtype != np.dtype(spec.dtype):
                raise ValueError(f"expected {name} of {spec.dtype} {shape}, got {array.dtype} {array.shape}")
            # NaN is what `time_s` holds where there is nothing, and nothing else may.
            if array.dtype.kind == "f" and not np.isnan(spec.fill) and not np.isfinite(array).all():
                raise ValueError(f"expected {name} to be finite, got NaN or infinity")

    def _mark_pending(self) -> None:
        # Before any file changes: a record that outlived its files would make readers trust the wrong ones.
        # The flush keeps the two removals in this order through a power cut.
        (self.root / FINISHED).unlink(missing_ok=True)
        flush_folder(self.root)
        (self.root / record_key(self.shard)).unlink(missing_ok=True)
        flush_folder(self.root / JOURNAL)
        self._step("pending")

    def _write_aside(self, aside: Path, stored: Mapping[str, np.ndarray]) -> dict[str, Checksum]:
        """Write each array's file, under the array's name; returns size and SHA-256 by final path."""
        encoded: dict[str, Buffer] = {}
        # In memory: on the disk zarr would make metadata and folders too, which nobody needs again.
        group = zarr.create_group(MemoryStore(encoded), zarr_format=3)
        count = self.layout.shard_clips
        files = {}
        for name, spec in self.layout.stored.items():
            array = create_feature_array(
                group, spec, clips=count, shard_clips=count, separator=self.layout.separator
            )
            array[: len(stored[name])] = stored[name]
            data = encoded.pop(self.layout.shard_key(name, 0), None)
            if data is not None:  # there is none of a shard of nothing but fill values
                content = data.to_bytes()
                (aside / name).write_bytes(content)
                files[self.layout.shard_key(name, self.shard)] = hash_bytes(content)
            self._step(f"wrote {name}")
        return files

    def _rename_into_place(self, aside: Path, files: Mapping[str, Checksum]) -> None:
        # Flushed in their places, all at once: until there is a record, nobody takes them for written.
        removed, written = [], []
        for name in self.layout.stored:
            key = self.layout.shard_key(name, self.shard)
            place = self.root / key
            if key in files:
                place.parent.mkdir(parents=True, exist_ok=True)
                os.replace(aside / name, place)
                written.append(place)
            elif place.exists():  # left by an earlier, damaged shard
                place.unlink()
                removed.append(place)
            self._step(f"renamed {name}")
        flush_all([*written, *folders_above([*written, *removed], self.root)])
