"""Reading a feature store. Axis letters: N clips, M persons, T steps, V joints, C channels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.sources.locate import find_source
from heatpool.pool.store.array_view import FeatureArray, to_xarray
from heatpool.pool.store.arrays import ArraySpec
from heatpool.pool.store.clip_table import ClipTable, Rows
from heatpool.pool.store.digests import recorded_files
from heatpool.pool.store.journal import ShardError, read_record
from heatpool.pool.store.layout import RESULT_DTYPES
from heatpool.pool.store.shard_reader import FeatureReader, check_names
from heatpool.pool.store.versions import Versions

if TYPE_CHECKING:
    import xarray

__all__ = ["FeatureArray", "FeatureStore", "open_store"]


def open_store(location: str | Path | Source) -> FeatureStore:
    """Open a feature store: a folder, an archive (.hpz), an address (`https://…`, `s3://…`), or a `Source`.

    Raises:
        HeatpoolError: if there is no heatpool feature store of this version.
    """
    return FeatureStore.open(location)


class FeatureStore:
    """A feature store opened for reading. Opening reads one small file; everything else is lazy.

    Use `FeatureStore.open(location)`. `store[0]` is a clip, `store["pooled"]` an array over all clips that is
    read where it is sliced, and a loop over the store goes from clip to clip. An unfinished store can be read
    too: its `status` and the other result arrays then come from the journal, and clips not yet written are
    `PENDING`.

    Attributes:
        source: its files.
        attributes: root attributes as stored (format, provenance, configuration).
        spec: sizes and provenance.
        layout: sizes and division into shards.
        clips: the table of clips: ids, labels, splits, outcomes; choose rows with `clips.rows`.
    """

    def __init__(self, source: Source, index: ClipIndex | None = None) -> None:
        self.source, self._given = source, index
        self.clips = ClipTable(source, index)
        self.attributes, self.spec, self.layout = self.clips.attributes, self.clips.spec, self.clips.layout

    def __len__(self) -> int:
        return len(self.clips)

    @overload
    def __getitem__(self, key: int) -> ClipFeatures | None: ...

    @overload
    def __getitem__(self, key: str) -> FeatureArray: ...

    def __getitem__(self, key: int | str) -> ClipFeatures | FeatureArray | None:
        """Clip number `key` (from the end if negative; None without features), or the array of that name."""
        if isinstance(key, str):
            return FeatureArray(self, key)
        row = range(len(self))[key]  # IndexError where there is none
        return self.clip(row)

    def __iter__(self) -> Iterator[ClipFeatures | None]:
        """All clips in order, each file read once; None for a clip without features."""
        usable = self._usable
        for rows, arrays in self.iter_shards(self.layout.features):
            for place, row in enumerate(rows.tolist()):
                values = {name: values[place] for name, values in arrays.items()}
                yield _as_clip(values) if usable[row] else None

    @property
    def finished(self) -> bool:
        """Whether the last shard was written and the results gathered (clips may still be pending)."""
        return self.clips.finished

    @property
    def versions(self) -> Versions:
        """Versions of the packages that made the features, in whatever shard; empty where not known."""
        return self.clips.versions

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.source, self._given)

    def with_index(self, index: ClipIndex) -> FeatureStore:
        """The same features under other labels, classes, splits and columns; nothing is written.

        Args:
            index: of all clips, in the order of the store.

        Raises:
            ValueError: if it is of other clips.
        """
        if index.clip_id != self.clips.index.clip_id:
            raise ValueError(f"expected an index of the {len(self)} clips of the store, got {index}")
        return type(self)(self.source, index)

    @classmethod
    def open(cls, location: str | Path | Source) -> FeatureStore:
        """Open a store: a folder, an archive, an address, or a `Source`.

        Raises:
            HeatpoolError: if there is no heatpool feature store of this version.
        """
        return cls(find_source(location) if isinstance(location, str | Path) else location)

    def __repr__(self) -> str:
        sizes = ", ".join(
            f"{name} {(self.layout.clips, *spec.item_shape)}" for name, spec in self.layout.features.items()
        )
        return f"FeatureStore({self.source.name}: {sizes}; {self.spec.backbone} {self.spec.tap})"

    @property
    def path(self) -> Path:
        """Root folder of the store. Raises HeatpoolError for one that is not a folder on this machine."""
        if not isinstance(self.source, FolderSource):
            raise HeatpoolError(
                f"{self.source.name}: expected a store in a folder; unpack it first: heatpool archive unpack "
                f"{self.source.name} features.zarr"
            )
        return self.source.path

    @cached_property
    def _features(self) -> FeatureReader:
        return FeatureReader(self.source, self.layout, self.clips.group, is_written=self._has_results)

    def _has_results(self, rows: range) -> bool:
        return self.finished and bool((self.clips.status[rows.start : rows.stop] != Status.PENDING).any())

    def read(self, rows: Rows, arrays: Iterable[str] = ("pooled",)) -> dict[str, np.ndarray]:
        """Features of `rows`, in that order. They are the same dtypes whatever the store's precision.

        Args:
            rows: (n,) clip numbers, any order, repeats allowed.
            arrays: names among pooled, keypoints, boxes, mask, time_s, and what else `layout.features` has.

        Returns:
            Arrays (n, ...) by name: pooled (n, M, T, V, C) float16, keypoints (n, M, T, V, 3)
            float16, boxes (n, M, T, 4) float16, mask (n, M, T) bool, time_s (n, T) float32; map_mean
            (n, M, T, C) float16, rgb (n, F, D) float16 or rgb_jpeg (n, F, L) uint8 (see `store.jpeg`) in
            stores that have them. Clips without features hold 0, False, and NaN in `time_s`.

        Raises:
            HeatpoolError: if a shard is damaged.
            ValueError: if a row or an array does not exist.
        """
        names = (arrays,) if isinstance(arrays, str) else tuple(arrays)
        check_names(names, tuple(self.layout.features))
        return self._gather(rows, {name: self.layout.features[name] for name in names}, self._features.read)

    def clip(self, row: int) -> ClipFeatures | None:
        """Features of one clip as float32, None for a clip without. Raises as `read`."""
        if not self._usable[self.clips.check_rows([row])[0]]:
            return None
        return _as_clip({name: values[0] for name, values in self.read([row], self.layout.features).items()})

    def to_xarray(self, *, mask_and_scale: bool = True) -> xarray.Dataset:
        """The store as an xarray Dataset with named dimensions and coordinates; features are read lazily.

        All is called as in docs/format.md. `clip` and `joint` select by name, `time_s` holds seconds (clip,
        step); what `clips.table` has lies along clip, splits as `split_<protocol>`. Features are float32, NaN
        where the person was not seen. `xarray.open_dataset(location, engine="heatpool")` is the same without
        dask.

        Args:
            mask_and_scale: False: 0 instead of NaN, and what was filled in between two detections.

        Raises:
            HeatpoolError: if xarray is not installed.
        """
        return to_xarray(self, mask_and_scale=mask_and_scale)

    def read_stored(self, rows: Rows) -> dict[str, np.ndarray]:
        """All of `layout.stored` for `rows` as they lie on disk: what `StoreWriter.write_stored` takes.

        Raises as `read`.
        """
        return self._gather(rows, self.layout.stored, self._features.read_stored)

    def _gather(
        self, rows: Rows, specs: Mapping[str, ArraySpec], read: Callable[[str, int, np.ndarray], np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Arrays of `rows`, shard by shard: `read` takes name, shard and the rows in it."""
        wanted = self.clips.check_rows(rows)
        out = {name: np.empty((len(wanted), *spec.item_shape), spec.dtype) for name, spec in specs.items()}
        for shard, places in self._by_shard(wanted):
            for name, values in out.items():
                values[places] = read(name, shard, wanted[places])
        return out

    def results(self, rows: Rows) -> list[ClipResult]:
        """Outcome of each of `rows`, with its reason.

        Raises:
            HeatpoolError: if a shard's journal record is damaged.
        """
        wanted = self.clips.check_rows(rows)
        out = [ClipResult(Status.PENDING)] * len(wanted)
        for shard, places in self._by_shard(wanted):
            try:
                record = read_record(self.source, self.layout, shard)
            except ShardError as error:
                raise HeatpoolError(f"{self.source.name}: damaged, {error}") from error
            if record is not None:
                found = record.clip_results()
                for place in places.tolist():
                    out[place] = found[wanted[place] - record.first_clip]
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
        names = (arrays,) if isinstance(arrays, str) else tuple(arrays)
        check_names(names, tuple(self.layout.features))
        for shard in range(self.layout.shards):
            rows = np.asarray(self.layout.rows(shard), dtype=np.int64)
            yield rows, {name: self._features.read(name, shard) for name in names}

    def bytes_by_array(self) -> dict[str, int]:
        """Bytes of each array with its metadata, as recorded: no folder is listed, no feature file asked."""
        sizes: Counter[str] = Counter()
        for key, (size, _) in recorded_files(self.source).items():
            name, below, _ = key.partition("/")
            if below:
                sizes[name] += size
        for name in RESULT_DTYPES:
            sizes[name] += sum(self.source.size(key) or 0 for key in self.layout.index_keys(name))
        return dict(sorted(sizes.items()))

    @property
    def _usable(self) -> np.ndarray:
        return np.isin(self.clips.status, (Status.OK, Status.TRUNCATED))

    def _by_shard(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each shard that `rows` touch, and the places in `rows` that it concerns."""
        shards = rows // self.layout.shard_clips
        for shard in np.unique(shards).tolist():
            yield shard, np.flatnonzero(shards == shard)


def _as_clip(arrays: dict[str, np.ndarray]) -> ClipFeatures:
    as_float32 = {name: values.astype("f4") for name, values in arrays.items() if values.dtype == "f2"}
    return ClipFeatures(**arrays | as_float32)
