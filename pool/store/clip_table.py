"""The table of clips of a feature store: who they are, what became of them, and how they are chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import zarr

from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split, Status
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.attributes import read_layout, read_root, spec_from_attributes
from heatpool.pool.store.index import IndexReader, split_array
from heatpool.pool.store.index_overlay import IndexOverlay
from heatpool.pool.store.journal import JournalResults, merge_results
from heatpool.pool.store.layout import FINISHED, RESULT_DTYPES, Layout
from heatpool.pool.store.selection import SplitName, Wanted, as_split, in_classes, in_column
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.versions import Versions, join_versions, parse_versions

__all__ = ["ClipTable", "Rows"]

Rows = Sequence[int] | np.ndarray


class ClipTable:
    """Provenance, index and results of a store; each array is read when it is first asked for.

    Attributes:
        source: its files.
        attributes: root attributes as stored (format, provenance, configuration).
        spec: sizes and provenance.
        layout: sizes and division into shards.

    Raises:
        HeatpoolError: if there is no heatpool feature store of this version.
    """

    def __init__(self, source: Source, index: ClipIndex | None = None) -> None:
        """`index` stands in for the stored one: the same clips, otherwise labelled and split."""
        self.source = source
        self.attributes: dict[str, Any] = read_root(source)
        self._given = index
        if index is not None:
            names = {"columns": list(index.columns), "splits": list(index.splits)}
            self.attributes |= {**names, "disjoint": dict(index.disjoint)}
        self.spec: StoreSpec = spec_from_attributes(self.attributes)
        self.layout: Layout = read_layout(source, self.attributes)

    def __len__(self) -> int:
        return self.layout.clips

    @cached_property
    def _index(self) -> IndexReader:
        if self._given is None:
            return IndexReader(self.source, self.layout)
        return IndexOverlay(self.source, self.layout, self._given)

    @property
    def group(self) -> zarr.Group:
        """The zarr group of the store, its feature arrays included."""
        return self._index.group

    @property
    def finished(self) -> bool:
        """Whether `StoreWriter.finish` ran after the last shard was written (clips may still be pending)."""
        return self.source.size(FINISHED) is not None

    @cached_property
    def index(self) -> ClipIndex:
        """The whole index in memory; of a very large store rather take `rows` and `index_of`."""
        return self._index.index()

    def index_of(self, rows: Rows) -> ClipIndex:
        """The index of some clips, in the order of `rows`, which must not repeat."""
        return self._index.index(self.check_rows(rows))

    @cached_property
    def versions(self) -> Versions:
        """Versions of the packages that made the features, in whatever shard; empty where not known.

        Raises:
            HeatpoolError: if the mark of a finished store is damaged.
        """
        if self._journal is not None:
            return join_versions(self.spec.versions, self._journal.versions)
        try:
            mark = parse_json(self.source.read(FINISHED) or b"{}")
            return join_versions(self.spec.versions, parse_versions(mark.get("versions", {})))
        except (ValueError, AttributeError) as error:
            raise HeatpoolError(f"{self.source.name}: damaged, unreadable {FINISHED} ({error})") from error

    @cached_property
    def _journal(self) -> JournalResults | None:
        return None if self.finished else merge_results(self.source, self.layout)

    def _result(self, name: str) -> np.ndarray:
        return self._journal.arrays[name] if self._journal else self._index.array(name)

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
        return self._index.array("label")

    @property
    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return self._index.class_names()

    @property
    def protocols(self) -> tuple[str, ...]:
        """Names of the split protocols."""
        return tuple(self.attributes["splits"])

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the manifest columns (subject, camera, ...)."""
        return tuple(self.attributes["columns"])

    def split(self, protocol: str) -> np.ndarray:
        """(N,) uint8 of `Split` for one split protocol.

        Raises:
            HeatpoolError: if the store has no such protocol.
        """
        return self._index.array(split_array(self._known("split protocol", protocol, self.protocols)))

    def column(self, name: str) -> tuple[str, ...]:
        """N values of a manifest column (subject, camera, ...), "" where unknown.

        Raises:
            HeatpoolError: if the store has no such column.
        """
        return tuple(self._index.column(self._known("column", name, self.columns)).tolist())

    def clip_ids(self, rows: Rows) -> tuple[str, ...]:
        """Clip ids of `rows`."""
        return self._index.strings("clip_id", self.check_rows(rows))

    def rows(
        self,
        protocol: str | None = None,
        split: Split | SplitName | None = None,
        *,
        where: Mapping[str, Wanted] | None = None,
        classes: Sequence[str | int] | None = None,
        usable: bool = True,
    ) -> np.ndarray:
        """Rows (n,) int64 in ascending order of the clips that fit all that is asked.

        Args:
            protocol: split protocol; None for all clips of the store.
            split: `train`, `val` or `test`; None for every clip that has a split in the protocol.
            where: per manifest column the text it must have, or several of which any will do.
            classes: class names or numbers; None for all clips, labelled or not.
            usable: keep only clips with features (status ok or truncated).

        Raises:
            HeatpoolError: if the protocol, split, a column, a value in it or a class does not exist.
        """
        keep = np.ones(len(self), bool)
        if protocol is not None:
            splits = self.split(protocol)
            keep &= splits != Split.NONE if split is None else splits == as_split(split)
        elif split is not None:
            raise HeatpoolError(f"expected a split protocol with split {split!r}, got none")
        for column, wanted in (where or {}).items():
            keep &= in_column(self._index, self._known("column", column, self.columns), wanted)
        if classes is not None:
            keep &= in_classes(self.label, self.class_names, classes)
        if usable:
            keep &= (self.status == Status.OK) | (self.status == Status.TRUNCATED)
        return np.flatnonzero(keep).astype(np.int64)

    def table(self, rows: Rows | None = None) -> dict[str, np.ndarray]:
        """The index and the results as columns, of all clips or of `rows`.

        Returns:
            Arrays (N,) or (n,): row, clip_id, path, label, class_name, the manifest columns, one column per
            protocol with train, val, test or "", status as a word, frames, fps, width_px, height_px,
            persons. Texts are numpy's variable-width strings (StringDType), "" where unknown.
        """
        wanted = None if rows is None else self.check_rows(rows)
        number = np.arange(len(self)) if wanted is None else wanted
        index = self._index
        label = index.array("label", wanted)
        table = {
            "row": number,
            "clip_id": index.array("clip_id", wanted),
            "path": index.array("path", wanted),
            "label": label,
            "class_name": _words([*self.class_names, ""])[label],
            **{name: index.column(name, wanted) for name in self.columns},
        }
        splits = _words(["" if split == Split.NONE else split.name.lower() for split in Split])
        table |= {name: splits[index.array(split_array(name), wanted)] for name in self.protocols}
        for name in RESULT_DTYPES:
            table[name] = getattr(self, name)[number]
        table["status"] = _words([status.name.lower() for status in Status])[table["status"]]
        return table

    def _known(self, kind: str, name: str, names: Sequence[str]) -> str:
        if name not in names:
            raise HeatpoolError(
                f"{self.source.name}: expected a {kind} of {', '.join(names) or 'none'}, got {name!r}"
            )
        return name

    def check_rows(self, rows: Rows) -> np.ndarray:
        """`rows` as (n,) int64. Raises ValueError unless they are rows of this table."""
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


def _words(texts: Sequence[str]) -> np.ndarray:
    return np.array(texts, np.dtypes.StringDType())
