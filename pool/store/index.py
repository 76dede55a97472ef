"""Writing the index of a store: clip ids, paths, labels, manifest columns and split protocols.

Strings are `string` arrays (vlen-utf8). A manifest column with few distinct values is stored as
codes with the list of values in its attributes; one with many is stored as strings.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import zarr

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split, Status
from heatpool.pool.store.differences import shorten
from heatpool.pool.store.layout import (
    FEATURE_NAMES,
    OPTIONAL_NAMES,
    PART_NAMES,
    RESULT_DTYPES,
    create_index_array,
)

__all__ = [
    "MAX_CATEGORIES",
    "create_index",
    "create_results",
    "split_array",
]

MAX_CATEGORIES = 4_096
"""Columns with more distinct values than this are stored as strings, not as codes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
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
    for protocol, splits in index.splits.items():
        attributes = {"description": f"split of the clip in split protocol {protocol}", **_flags(Split)}
        _create_filled(group, split_array(protocol), splits, 0, attributes)
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


def _flags(codes: type[Status] | type[Split]) -> dict[str, object]:
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
