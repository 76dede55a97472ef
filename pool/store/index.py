"""The index of a store, written and read: clip ids, paths, labels, manifest columns and split protocols.

Strings are `string` arrays (vlen-utf8). A manifest column with few distinct values is stored as
codes with the list of values in its attributes; one with many is stored as strings. Readers take one
array at a time, of all clips or of a few, and never list folders.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import zarr

from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import ClipIndex, Split, Status
from heatpool.pool.sources.folder import Source
from heatpool.pool.store.arrays import create_index_array
from heatpool.pool.store.bounded import UNDECODABLE, UNREADABLE, damage, open_array
from heatpool.pool.store.index_rules import (
    INDEX_DTYPES,
    check_codes,
    check_results,
    check_splits,
    check_texts,
    is_name,
)
from heatpool.pool.store.layout import FEATURE_NAMES, OPTIONAL_NAMES, PART_NAMES, RESULT_DTYPES, Layout

__all__ = [
    "MAX_CATEGORIES",
    "IndexReader",
    "create_index",
    "create_results",
    "split_array",
]

MAX_CATEGORIES = 4_096
"""Columns with more distinct values than this are stored as strings, not as codes."""

_DIMENSIONS = (
    *("clip", "person", "step", "joint", "channel", "xy_score", "xyxy"),
    *("rgb_frame", "rgb_channel", "rgb_byte"),
)
_RESERVED = frozenset(
    (
        *(*FEATURE_NAMES, *OPTIONAL_NAMES, *PART_NAMES, *RESULT_DTYPES),
        *(*_DIMENSIONS, "clip_id", "path", "label", "journal", "class_name"),
    )
)


def split_array(protocol: str) -> str:
    """Name of the array that holds a split protocol."""
    return f"split_{protocol}"


def create_index(group: zarr.Group, index: ClipIndex, *, separator: str) -> None:
    """Write all index arrays into a new store.

    Raises:
        HeatpoolError: if a column or protocol name cannot be an array name, or an id or path
            is not valid Unicode.
    """
    _check_names(index)
    into = _NewArrays(group, separator)
    into.add_texts("clip_id", index.clip_id, "unique name of the clip")
    into.add_texts("path", index.path, "video file as the manifest names it")
    into.add(
        "label", index.label, -1,
        {"description": "class number", "missing": "-1 = unlabelled", "class_names": list(index.class_names)},
    )  # fmt: skip
    for name, values in index.columns.items():
        into.add_column(name, values)
    for protocol, splits in index.splits.items():
        # Such texts are bytes of the format: a resume makes damaged files again, to the bytes first written.
        attributes = {"description": f"part of the clip in split protocol {protocol}", **_flags(Split)}
        into.add(split_array(protocol), splits, 0, attributes)
    names: dict[str, Any] = {"columns": list(index.columns), "splits": list(index.splits)}
    group.attrs.update(names | ({"disjoint": dict(index.disjoint)} if index.disjoint else {}))


def create_results(group: zarr.Group, results: Mapping[str, np.ndarray], *, separator: str) -> None:
    """Write the per-clip result arrays (`status`, `frames`, ...), all (N,)."""
    described: dict[str, Mapping[str, object]] = {
        "status": {"description": "outcome of stage one", **_flags(Status)},
        "frames": {"description": "frames the clip really holds"},
        "fps": {"description": "mean frames per second, 0 = unknown"},
        "width_px": {"description": "frame width, 0 = unknown"},
        "height_px": {"description": "frame height, 0 = unknown"},
        "persons": {"description": "person slots that are filled"},
    }
    for name, values in results.items():
        _NewArrays(group, separator).add(name, values, 0, described[name])


def _flags(codes: type[Status] | type[Split]) -> dict[str, object]:
    """CF attributes of a coded array."""
    return {
        "flag_values": [int(code) for code in codes],
        "flag_meanings": " ".join(code.name.lower() for code in codes),
    }


def _check_names(index: ClipIndex) -> None:
    taken: set[str] = {name.casefold() for name in _RESERVED}
    for name in (*index.columns, *(split_array(protocol) for protocol in index.splits)):
        if not is_name(name) or (name in index.columns and name.startswith("split_")):
            raise HeatpoolError(
                f"cannot store {shorten(name)}: expected a name of letters, digits, _ and - (64 at most; a "
                "column must not begin with split_); rename it in the manifest"
            )
        if name.casefold() in taken:
            raise HeatpoolError(f"cannot store column {name}: the name is taken; rename it in the manifest")
        taken.add(name.casefold())


@dataclass(frozen=True)
class _NewArrays:
    """Where index arrays are put: a group, and what separates the parts of a chunk's name."""

    group: zarr.Group
    separator: str

    def add(
        self,
        name: str,
        values: np.ndarray,
        fill: float | str,
        attributes: Mapping[str, object],
        dtype: Any = None,
    ) -> None:
        array = create_index_array(
            self.group,
            name,
            clips=len(values),
            dtype=dtype or values.dtype,
            fill=fill,
            attributes=attributes,
            separator=self.separator,
        )
        array[:] = values

    def add_texts(self, name: str, values: Sequence[str], description: str) -> None:
        self.add(name, _as_strings(name, values), "", {"description": description}, str)

    def add_column(self, name: str, values: Sequence[str]) -> None:
        categories: list[str] = _as_strings(name, sorted(set(values) - {""})).tolist()
        description = f"{name} as the manifest gives it"
        if len(categories) > MAX_CATEGORIES:
            self.add_texts(name, values, description)
            return
        code = {category: number for number, category in enumerate(categories)} | {"": -1}
        codes = np.fromiter((code[value] for value in values), dtype=np.int16, count=len(values))
        attributes = {"description": description, "missing": "-1 = unknown", "categories": categories}
        self.add(name, codes, -1, attributes)


def _as_strings(name: str, values: Sequence[str]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.dtypes.StringDType())
    except UnicodeEncodeError as error:
        raise HeatpoolError(
            f"expected every {name} to be valid Unicode, got {shorten(error.object)}; rename it"
        ) from error


class IndexReader:
    """The index arrays of one store.

    Attributes:
        source: files of the store.
        layout: its sizes.
        group: its zarr group.
    """

    def __init__(self, source: Source, layout: Layout) -> None:
        self.source = source
        self.layout = layout
        try:
            self.group = zarr.open_group(source.zarr_store(), mode="r", zarr_format=3)
        except UNREADABLE as error:
            raise damage(source, "zarr cannot read it", error) from error

    def array(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Values of an index array: all (N,), or those of `rows` (n,) int64.

        Raises:
            HeatpoolError: if the array or a chunk is missing or damaged, or holds what it cannot.
        """
        clips = self.layout.clips
        array = open_array(
            self.source,
            self.group,
            name,
            clips=clips,
            dtype=INDEX_DTYPES.get(name, "u1" if name.startswith(split_array("")) else None),
        )
        if clips == 0 or (rows is not None and rows.size == 0):
            return np.asarray(array[:0])
        (size,) = array.chunks
        wanted = range(-(-clips // size)) if rows is None else np.unique(rows // size)
        try:
            # zarr reads a missing chunk as fill values, but index arrays always store every chunk.
            keys = self.layout.index_keys(name)
            missing = sum(self.source.size(keys[chunk]) is None for chunk in wanted)
            if missing:
                raise ValueError(f"{missing} chunk files are missing")
            values = np.asarray(array[:clips] if rows is None else array.get_coordinate_selection(rows))
            self._check(name, values)
            return values
        except UNDECODABLE as error:  # wrong checksum, broken codec, no access
            raise damage(self.source, f"cannot read array {name}", error) from error

    def strings(self, name: str, rows: np.ndarray | None = None) -> tuple[str, ...]:
        """Values of a string array. Raises as `array`."""
        return tuple(self.array(name, rows).tolist())

    def categories(self, column: str) -> tuple[str, ...] | None:
        """Texts of a manifest column in code order; None where the column is stored as texts."""
        found = self._attributes(column).get("categories")
        return None if found is None else _texts(self.source, column, found)

    def column(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """Texts (N,) or (n,) of a manifest column, "" where unknown. Raises as `array`."""
        values, categories = self.array(name, rows), self.categories(name)
        if categories is None:
            return values
        texts = np.array([*categories, ""], np.dtypes.StringDType())
        return np.asarray(texts[values])  # code -1 is the last entry

    def class_names(self) -> tuple[str, ...]:
        """Class names in label order."""
        return _texts(self.source, "label", self._attributes("label").get("class_names"))

    def index(self, rows: np.ndarray | None = None) -> ClipIndex:
        """The index in memory, of all clips or of `rows`. Raises as `array`."""
        attributes = cast(dict[str, Any], self.group.attrs.asdict())
        try:
            return ClipIndex(
                clip_id=self.strings("clip_id", rows),
                path=self.strings("path", rows),
                label=self.array("label", rows),
                class_names=self.class_names(),
                columns={name: tuple(self.column(name, rows).tolist()) for name in attributes["columns"]},
                splits={name: self.array(split_array(name), rows) for name in attributes["splits"]},
                disjoint=attributes.get("disjoint", {}),  # earlier releases knew rules by a protocol's name
            )
        except ValueError as error:  # ids that repeat
            raise damage(self.source, "its index cannot be", error) from error

    def _check(self, name: str, values: np.ndarray) -> None:
        """Raise ValueError unless an array can hold the values."""
        if name in RESULT_DTYPES:
            check_results(name, values, persons=self.layout.persons)
        elif name.startswith(split_array("")):
            check_splits(name, values)
        elif name == "label":
            check_codes(name, values, count=len(self.class_names()))
        elif name in INDEX_DTYPES or (categories := self.categories(name)) is None:
            check_texts(name, values)
        else:
            check_codes(name, values, count=len(categories))

    def _attributes(self, name: str) -> dict[str, Any]:
        try:
            return cast(dict[str, Any], self.group[name].attrs.asdict())
        except UNREADABLE as error:
            raise damage(self.source, f"cannot read array {name}", error) from error


def _texts(source: Source, name: str, found: Any) -> tuple[str, ...]:
    """Texts out of an array's attributes."""
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        wrong = ValueError(f"expected a list of texts beside it, got {shorten(found)}")
        raise damage(source, f"cannot read array {name}", wrong)
    return tuple(found)
