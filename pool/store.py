"""Reading a feature store. Axis letters: N clips, M persons, T steps, V joints, C channels."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import zarr

from pool.errors import HeatpoolError
from pool.index import read_array, read_column, read_index, read_strings, split_array
from pool.journal import ShardError, check_shard, merge_results, record_path
from pool.layout import (
    FEATURE_NAMES,
    FINISHED,
    Layout,
    layout_from_attributes,
    read_root,
    spec_from_attributes,
)
from pool.records import ClipIndex, Part, Status, StoreSpec

__all__ = ["FeatureStore", "PartName"]

PartName = Literal["train", "val", "test"]


class FeatureStore:
    """A feature store opened for reading. Opening reads one small file; everything else is lazy.

    Use `FeatureStore.open(path)`. An unfinished store can be read too: its `status` and the other
    result arrays then come from the journal, and clips not yet written are `PENDING`.

    Attributes:
        path: root folder of the store.
        attributes: root attributes as stored (format, provenance, configuration).
        spec: sizes and provenance.
        layout: sizes and division into shards.
    """

    def __init__(self, path: Path, attributes: dict[str, Any], group: zarr.Group) -> None:
        self.path = path
        self.attributes = attributes
        self.spec: StoreSpec = spec_from_attributes(attributes)
        self.layout: Layout = layout_from_attributes(attributes)
        self._group = group
        self._sound_shards: set[int] = set()

    @classmethod
    def open(cls, path: str | Path) -> FeatureStore:
        """Open the store at `path`.

        Raises:
            HeatpoolError: if there is no heatpool feature store of this version.
        """
        root = Path(path)
        return cls(root, read_root(root), zarr.open_group(root, mode="r"))

    def __len__(self) -> int:
        return self.layout.clips

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name} {(self.layout.clips, *spec.item_shape)}" for name, spec in self.layout.features.items()
        )
        return f"FeatureStore({self.path}: {sizes}; {self.spec.backbone} {self.spec.tap})"

    @property
    def finished(self) -> bool:
        """Whether `StoreWriter.finish` ran after the last shard was written (clips may still be pending)."""
        return (self.path / FINISHED).exists()

    @cached_property
    def index(self) -> ClipIndex:
        """The whole index in memory; of a very large store rather use `clip_ids`, `label` and `part`."""
        return read_index(self._group)

    @cached_property
    def _results(self) -> dict[str, np.ndarray]:
        return {} if self.finished else merge_results(self.path, self.layout)[0]

    def _result(self, name: str) -> np.ndarray:
        return self._results[name] if self._results else read_array(self._group, name)

    @cached_property
    def status(self) -> np.ndarray:
        """(N,) uint8 of `Status`."""
        return self._result("status")

    @cached_property
    def frames(self) -> np.ndarray:
        """(N,) int32, frames each clip really holds."""
        return self._result("frames")

    @cached_property
    def fps(self) -> np.ndarray:
        """(N,) float32, mean frames per second, 0 = unknown."""
        return self._result("fps")

    @cached_property
    def width_px(self) -> np.ndarray:
        """(N,) int32, frame width, 0 = unknown."""
        return self._result("width_px")

    @cached_property
    def height_px(self) -> np.ndarray:
        """(N,) int32, frame height, 0 = unknown."""
        return self._result("height_px")

    @cached_property
    def persons(self) -> np.ndarray:
        """(N,) uint8, person slots that are filled."""
        return self._result("persons")

    @cached_property
    def label(self) -> np.ndarray:
        """(N,) int32, class number, -1 = unlabelled."""
        return read_array(self._group, "label")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return tuple(cast(list, self._group["label"].attrs["class_names"]))

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of the split protocols."""
        return tuple(self.attributes["splits"])

    def part(self, protocol: str) -> np.ndarray:
        """(N,) uint8 of `Part` for one split protocol.

        Raises:
            HeatpoolError: if the store has no such protocol.
        """
        if protocol not in self.protocols:
            known = ", ".join(self.protocols) or "none"
            raise HeatpoolError(f"{self.path}: expected a split protocol of {known}, got {protocol!r}")
        return read_array(self._group, split_array(protocol))

    def column(self, name: str) -> tuple[str, ...]:
        """N values of a manifest column (subject, camera, ...), "" where unknown.

        Raises:
            HeatpoolError: if the store has no such column.
        """
        if name not in self.attributes["columns"]:
            known = ", ".join(self.attributes["columns"]) or "none"
            raise HeatpoolError(f"{self.path}: expected a column of {known}, got {name!r}")
        return read_column(self._group, name)

    def clip_ids(self, rows: Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """Clip ids of `rows`."""
        return read_strings(self._group, "clip_id", self._check_rows(rows))

    def rows(
        self, protocol: str | None = None, part: Part | PartName | None = None, *, usable: bool = True
    ) -> np.ndarray:
        """Rows (n,) int64 in ascending order that belong to a part of a split protocol.

        Args:
            protocol: split protocol; None for all clips of the store.
            part: `train`, `val` or `test`; None for every clip that has a part in the protocol.
            usable: keep only clips with features (status ok or truncated).

        Raises:
            HeatpoolError: if the protocol or part does not exist.
        """
        keep = np.ones(len(self), bool)
        if protocol is not None:
            parts = self.part(protocol)
            keep = parts != Part.NONE if part is None else parts == _as_part(part)
        elif part is not None:
            raise HeatpoolError(f"expected a split protocol with part {part!r}, got none")
        if usable:
            keep &= np.isin(self.status, (Status.OK, Status.TRUNCATED))
        return np.flatnonzero(keep).astype(np.int64)

    def read(
        self, rows: Sequence[int] | np.ndarray, arrays: Iterable[str] = ("pooled",)
    ) -> dict[str, np.ndarray]:
        """Features of `rows`, in that order, in the stored dtype.

        Args:
            rows: (n,) clip numbers, any order, repeats allowed.
            arrays: names among pooled, keypoints, boxes, mask, time_s.

        Returns:
            Arrays (n, ...) by name: pooled (n, M, T, V, C) float16, keypoints (n, M, T, V, 3)
            float16, boxes (n, M, T, 4) float16, mask (n, M, T) bool, time_s (n, T) float32.
            Clips without features hold 0, False, and NaN in `time_s`.

        Raises:
            HeatpoolError: if a shard is damaged.
            ValueError: if a row or an array does not exist.
        """
        wanted = self._check_rows(rows)
        names = _check_names(arrays)
        specs = self.layout.features
        out = {name: np.empty((len(wanted), *specs[name].item_shape), specs[name].dtype) for name in names}
        shards = wanted // self.layout.shard_clips
        for shard in np.unique(shards).tolist():
            places = np.flatnonzero(shards == shard)
            self._check_sound(shard)
            for name in names:
                out[name][places] = self._read_in_shard(name, shard, wanted[places])
        return out

    def iter_shards(
        self, arrays: Iterable[str] = ("pooled",)
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Go through the store shard by shard, reading each file once.

        Yields:
            Rows (n,) int64 of the shard and the arrays as `read` gives them, all clips included
            (pending and failed ones hold fill values: see `status`).

        Raises:
            HeatpoolError: if a shard is damaged.
            ValueError: if an array does not exist.
        """
        names = _check_names(arrays)
        for shard in range(self.layout.shards):
            rows = np.asarray(self.layout.rows(shard), dtype=np.int64)
            self._check_sound(shard)
            yield rows, {name: self._read_shard(name, shard) for name in names}

    def bytes_by_array(self) -> dict[str, int]:
        """Bytes on disk of each array with its metadata; lists every file of the store."""
        sizes = {}
        for name in sorted(self._group.array_keys()):
            with os.scandir(self.path / name) as entries:
                sizes[name] = sum(entry.stat().st_size for entry in entries)
        return sizes

    def _check_rows(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        wanted = np.asarray(rows)
        if wanted.size == 0:
            return np.zeros(0, np.int64)
        if wanted.ndim != 1 or wanted.dtype.kind not in "iu":
            raise ValueError(f"expected rows (n,) of integers, got {wanted.dtype} {wanted.shape}")
        if int(wanted.min()) < 0 or int(wanted.max()) >= len(self):
            raise ValueError(
                f"expected rows from 0 to {len(self) - 1}, got {int(wanted.min())} to {int(wanted.max())}"
            )
        return wanted.astype(np.int64)

    def _check_sound(self, shard: int) -> None:
        """Raise HeatpoolError if a journalled shard's files are not as recorded (zarr would read zeros)."""
        if shard in self._sound_shards or not record_path(self.path, shard).exists():
            return
        try:
            check_shard(self.path, self.layout, shard)
        except ShardError as error:
            raise self._damage(str(error)) from error
        self._sound_shards.add(shard)

    def _damage(self, reason: str) -> HeatpoolError:
        return HeatpoolError(f"{self.path}: damaged, {reason}; `heatpool extract --resume` writes it again")

    def _read_shard(self, name: str, shard: int) -> np.ndarray:
        span = self.layout.rows(shard)
        return self._decode(name, shard, slice(span.start, span.stop))

    def _read_in_shard(self, name: str, shard: int, rows: np.ndarray) -> np.ndarray:
        """Values of `rows`, all of one shard: the few asked for, or the whole shard when many are."""
        span = self.layout.rows(shard)
        if self.layout.features[name].sharded and len(rows) < len(span) // 2:
            return np.stack([self._decode(name, shard, row) for row in rows.tolist()])
        return self._read_shard(name, shard)[rows - span.start]

    def _decode(self, name: str, shard: int, where: slice | int) -> np.ndarray:
        try:
            return np.asarray(cast(zarr.Array, self._group[name])[where])
        except (ValueError, RuntimeError, OSError) as error:  # wrong checksum, broken codec, no access
            raise self._damage(f"shard {shard}: cannot decode {name} ({error})") from error


def _as_part(part: Part | PartName) -> Part:
    try:
        return part if isinstance(part, Part) else Part[part.upper()]
    except KeyError:
        raise HeatpoolError(f"expected part train, val or test, got {part!r}") from None


def _check_names(arrays: Iterable[str]) -> tuple[str, ...]:
    names = (arrays,) if isinstance(arrays, str) else tuple(arrays)
    for name in names:
        if name not in FEATURE_NAMES:
            raise ValueError(f"expected arrays among {', '.join(FEATURE_NAMES)}, got {name!r}")
    return names
