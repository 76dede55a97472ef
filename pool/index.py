"""The index of a store on disk: clip ids, paths, labels, manifest columns and split protocols.

Strings are `string` arrays (vlen-utf8). A manifest column with few distinct values is stored as
codes with the list of values in its attributes; one with many is stored as strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import zarr

from pool.compare import shorten
from pool.errors import HeatpoolError
from pool.layout import FEATURE_NAMES, RESULT_DTYPES, create_index_array
from pool.records import ClipIndex, Part, Status

__all__ = [
    "MAX_CATEGORIES",
    "create_index",
    "create_results",
    "read_array",
    "read_column",
    "read_index",
    "read_strings",
    "split_array",
]

MAX_CATEGORIES = 4_096
"""Columns with more distinct values than this are stored as strings, not as codes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIMENSIONS = ("clip", "person", "step", "joint", "channel", "xy_score", "xyxy")
_RESERVED = frozenset((*FEATURE_NAMES, *RESULT_DTYPES, *_DIMENSIONS, "clip_id", "path", "label", "journal"))


def split_array(protocol: str) -> str:
    """Name of the array that holds a split protocol."""
    return f"split_{protocol}"


def create_index(group: zarr.Group, index: ClipIndex) -> None:
    """Write all index arrays into a new store.

    Raises:
        HeatpoolError: if a column or protocol name cannot be an array name, or an id or path
            is not valid Unicode.
    """
    _check_names(index)
    _create_strings(group, "clip_id", index.clip_id, "unique name of the clip")
    _create_strings(group, "path", index.path, "video file as the manifest names it")
    _create_filled(
        group, "label", index.label, -1,
        {"description": "class number", "missing": "-1 = unlabelled", "class_names": list(index.class_names)},
    )  # fmt: skip
    for name, values in index.columns.items():
        _create_column(group, name, values)
    for protocol, parts in index.splits.items():
        attributes = {"description": f"part of the clip in split protocol {protocol}", **_flags(Part)}
        _create_filled(group, split_array(protocol), parts, 0, attributes)
    group.attrs.update({"columns": list(index.columns), "splits": list(index.splits)})


def create_results(group: zarr.Group, results: Mapping[str, np.ndarray]) -> None:
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
        _create_filled(group, name, values, 0, described[name])


def read_array(group: zarr.Group, name: str, rows: np.ndarray | None = None) -> np.ndarray:
    """Values of an index array: all (N,), or those of `rows` (n,).

    Raises:
        HeatpoolError: if a chunk is missing or damaged.
    """
    try:
        array = cast(zarr.Array, group[name])
        # zarr reads a missing chunk as fill values, but index arrays always store every chunk.
        if array.nchunks_initialized < array.nchunks:
            raise ValueError(f"{array.nchunks - array.nchunks_initialized} chunk files are missing")
        return np.asarray(array[:] if rows is None else array.get_coordinate_selection(rows))
    except (KeyError, ValueError, RuntimeError, OSError) as error:  # no array, wrong checksum, no access
        raise HeatpoolError(f"{group.store_path}: damaged, cannot read array {name} ({error})") from error


def read_strings(group: zarr.Group, name: str, rows: np.ndarray | None = None) -> tuple[str, ...]:
    """Values of a string array: all, or those of `rows`. Raises as `read_array`."""
    return tuple(read_array(group, name, rows).tolist())


def read_column(group: zarr.Group, name: str) -> tuple[str, ...]:
    """Values of a manifest column, "" where unknown. Raises as `read_array`."""
    values = read_array(group, name)
    attributes = group[name].attrs
    if "categories" not in attributes:
        return tuple(values.tolist())
    # Code -1 (unknown) picks the last entry.
    categories = np.array([*cast(list, attributes["categories"]), ""], dtype=object)
    return tuple(categories[values].tolist())


def read_index(group: zarr.Group) -> ClipIndex:
    """The whole index. Ten million clips take gigabytes: select rows by split or label first.

    Raises:
        HeatpoolError: if a chunk is missing or damaged.
    """
    attributes = cast(dict[str, Any], group.attrs.asdict())
    return ClipIndex(
        clip_id=read_strings(group, "clip_id"),
        path=read_strings(group, "path"),
        label=read_array(group, "label"),
        class_names=tuple(cast(list, group["label"].attrs["class_names"])),
        columns={name: read_column(group, name) for name in attributes["columns"]},
        splits={name: read_array(group, split_array(name)) for name in attributes["splits"]},
    )


def _flags(codes: type[Status] | type[Part]) -> dict[str, object]:
    """CF attributes of a coded array."""
    return {
        "flag_values": [int(code) for code in codes],
        "flag_meanings": " ".join(code.name.lower() for code in codes),
    }


def _check_names(index: ClipIndex) -> None:
    taken: set[str] = {name.casefold() for name in _RESERVED}
    for name in (*index.columns, *(split_array(protocol) for protocol in index.splits)):
        if not _NAME.fullmatch(name) or (name in index.columns and name.startswith("split_")):
            raise HeatpoolError(
                f"cannot store {shorten(name)}: expected a name of letters, digits, _ and - (64 at most; a "
                "column must not begin with split_); rename it in the manifest"
            )
        if name.casefold() in taken:
            raise HeatpoolError(f"cannot store column {name}: the name is taken; rename it in the manifest")
        taken.add(name.casefold())


def _create_filled(
    group: zarr.Group, name: str, values: np.ndarray, fill: float, attributes: Mapping[str, object]
) -> None:
    array = create_index_array(
        group, name, clips=len(values), dtype=values.dtype, fill=fill, attributes=attributes
    )
    array[:] = values


def _create_strings(group: zarr.Group, name: str, values: Sequence[str], description: str) -> None:
    strings = _as_strings(name, values)
    attributes = {"description": description}
    array = create_index_array(group, name, clips=len(values), dtype=str, fill="", attributes=attributes)
    array[:] = strings


def _as_strings(name: str, values: Sequence[str]) -> np.ndarray:
    try:
        return np.array(values, dtype=np.dtypes.StringDType())
    except UnicodeEncodeError as error:
        raise HeatpoolError(
            f"expected every {name} to be valid Unicode, got {shorten(error.object)}; rename it"
        ) from error


def _create_column(group: zarr.Group, name: str, values: Sequence[str]) -> None:
    categories: list[str] = _as_strings(name, sorted(set(values) - {""})).tolist()
    description = f"{name} as the manifest gives it"
    if len(categories) > MAX_CATEGORIES:
        _create_strings(group, name, values, description)
        return
    code = {category: number for number, category in enumerate(categories)} | {"": -1}
    codes = np.fromiter((code[value] for value in values), dtype=np.int16, count=len(values))
    attributes = {"description": description, "missing": "-1 = unknown", "categories": categories}
    _create_filled(group, name, codes, -1, attributes)
