"""A whole store as named tables, and back: what the HDF5 and NumPy formats share.

Names: `clip_id`, `path`, `label`, `columns/<name>`, `splits/<protocol>`, one per field of `ClipResult`,
and the feature arrays; beside them a JSON text with the root attributes and the class names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from heatpool.pool.derive.build import OnClips, make_features, new_store
from heatpool.pool.disk.json_shape import check_json
from heatpool.pool.disk.limits import check_clip_count, check_unpacked, parse_json
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import ClipIndex, ClipResult, Status
from heatpool.pool.store.attributes import (
    check_attributes,
    check_version,
    layout_from_attributes,
    spec_from_attributes,
)
from heatpool.pool.store.layout import RESULT_DTYPES, Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision, StoreSpec

__all__ = [
    "Description", "check_shard_size", "index_tables", "is_table", "read_description", "restore_store",
    "store_description",
]  # fmt: skip

_DTYPES = {**RESULT_DTYPES, "fps": "f8"}  # the journal keeps the rate in double precision

Table = np.ndarray | Sequence[str]
Read = Callable[[str, range], np.ndarray]
"""From the name of a feature array and consecutive rows to their values (n, ...)."""


def store_description(store: FeatureStore) -> str:
    """Root attributes and class names as JSON."""
    skipped = ("columns", "splits")  # the names of the tables tell them
    attributes = {name: value for name, value in store.attributes.items() if name not in skipped}
    if store.versions:  # of the journal too, which stays behind
        attributes["versions"] = store.versions
    return json.dumps(
        {"attributes": attributes, "class_names": list(store.clips.class_names)}, ensure_ascii=False
    )


def index_tables(store: FeatureStore) -> dict[str, Table]:
    """Everything of a store that is one value per clip: arrays (N,) and N texts, by name."""
    index, results = store.clips.index, store.results(np.arange(len(store)))
    tables: dict[str, Table] = {"clip_id": index.clip_id, "path": index.path, "label": index.label}
    tables |= {f"columns/{name}": values for name, values in index.columns.items()}
    tables |= {f"splits/{name}": values for name, values in index.splits.items()}
    for name, dtype in _DTYPES.items():
        tables[name] = np.array([getattr(result, name) for result in results], dtype)
    tables["message"] = tuple(result.reason for result in results)
    for name, table in tables.items():
        if not isinstance(table, np.ndarray) and any("\0" in text for text in table):
            raise HeatpoolError(f"{store.source.name}: cannot export, a {name} holds a NUL character")
    return tables


@dataclass(frozen=True)
class Description:
    """What `store_description` output says.

    Attributes:
        spec: of the store.
        layout: its sizes.
        class_names: in label order.
        disjoint: split rules, see `ClipIndex`.
    """

    spec: StoreSpec
    layout: Layout
    class_names: tuple[str, ...]
    disjoint: Mapping[str, str]


def read_description(text: str, *, name: str) -> Description:
    """Parse `store_description` output that came from elsewhere.

    Args:
        text: JSON.
        name: of the file, for messages.

    Raises:
        HeatpoolError: if it is of another format or version, or claims absurd sizes.
    """
    try:
        body: Any = parse_json(text)
        check_json(body, {"attributes": dict, "class_names": [str]})
        attributes, class_names = body["attributes"], tuple(body["class_names"])
        kind, version = attributes["format"], attributes["version"]
    except (ValueError, KeyError, TypeError) as error:
        raise HeatpoolError(f"{name}: expected features exported by heatpool, got {error!r:.80}") from error
    check_version(name, kind, version)
    try:
        check_attributes({"columns": [], "splits": [], **attributes})  # whose names those of tables tell
    except ValueError as error:
        raise HeatpoolError(f"{name}: its attributes of a store are wrong: {error}") from error
    spec, layout = spec_from_attributes(attributes), layout_from_attributes(attributes)
    check_clip_count(name, layout.clips)
    return Description(spec, layout, class_names, attributes.get("disjoint", {}))


def is_table(name: str) -> bool:
    """Whether an array of that name is one of `index_tables`: one value a clip."""
    return name in ("clip_id", "path", "label", "message", *_DTYPES) or name.startswith(
        ("columns/", "splits/")
    )


def check_shard_size(name: str, layout: Layout, *, packed: int) -> None:
    """Refuse a file whose features unfold, shard by shard as they are read, to far more than it holds.

    Raises:
        HeatpoolError: as `check_unpacked`.
    """
    clips = min(layout.clips, layout.shard_clips)
    for each, array in layout.features.items():
        claimed = clips * math.prod(array.item_shape) * np.dtype(array.dtype).itemsize
        check_unpacked(name, f"{each} of {clips:,} clips", claimed, packed=packed)


def restore_store(
    out: str | Path,
    description: Description,
    *,
    tables: Mapping[str, Table],
    read: Read,
    precision: Precision,
    name: str,
    overwrite: bool,
    on_clips: OnClips,
) -> None:
    """Make the store that tables describe.

    Args:
        out: folder to make.
        description: of the store.
        tables: as `index_tables` makes them.
        read: gives rows of feature arrays, asked for in ascending order.
        precision: of the pooled features.
        name: of the file that they come from, for messages.
        overwrite: replace an existing heatpool store at `out`.
        on_clips: progress.

    Raises:
        HeatpoolError: if a table is missing, does not fit, or the store cannot be written.
    """
    try:
        ids = _texts(tables, "clip_id")
        index = ClipIndex(
            clip_id=ids,
            path=_texts(tables, "path"),
            label=_numbers(tables, "label", "i4", ids),
            class_names=description.class_names,
            columns={key[8:]: _texts(tables, key) for key in tables if key.startswith("columns/")},
            splits={key[7:]: _numbers(tables, key, "u1", ids) for key in tables if key.startswith("splits/")},
            disjoint=description.disjoint,
        )
        results = _results(tables, ids)
    except KeyError as error:
        raise HeatpoolError(f"{name}: expected a table {error.args[0]}, got none") from error
    except (ValueError, TypeError, OverflowError, AttributeError) as error:
        raise HeatpoolError(f"{name}: {error}") from error
    layout, spec = description.layout, description.spec
    if precision != spec.precision:
        spec = replace(spec.decoded(), precision=precision)
    if len(index) != layout.clips:
        raise HeatpoolError(f"{name}: expected {layout.clips} clips, got {len(index)}")
    with new_store(
        out, spec=spec, index=index, shard_clips=layout.shard_clips, overwrite=overwrite
    ) as writer:
        for shard in range(layout.shards):
            rows = layout.rows(shard)
            of_shard = results[rows.start : rows.stop]
            if all(result.status == Status.PENDING for result in of_shard):
                continue
            arrays = {each: read(each, rows) for each in layout.features}
            clips = make_features(layout, arrays, of_shard, names=index.clip_id[rows.start : rows.stop])
            try:
                writer.write_shard(shard, clips, of_shard)
            except ValueError as error:  # outcomes that contradict the features
                raise HeatpoolError(f"{name}: {error}") from error
            on_clips(len(rows))


def _texts(tables: Mapping[str, Table], name: str) -> tuple[str, ...]:
    values = tables[name]
    if isinstance(values, np.ndarray):
        raise ValueError(f"expected texts in {name}, got {values.dtype}")
    return tuple(values)


def _numbers(tables: Mapping[str, Table], name: str, dtype: str, ids: Sequence[str]) -> np.ndarray:
    """Values of a table as numbers of a type, which none of them may change to become."""
    values = np.asarray(tables[name])
    if values.dtype.kind not in "biuf" or values.shape != (len(ids),):
        raise ValueError(f"expected {len(ids)} numbers in {name}, got {values.dtype} {values.shape}")
    with np.errstate(invalid="ignore", over="ignore"):
        exact = values.astype(dtype)
    changed = np.flatnonzero((exact != values) & ~(np.isnan(exact) & np.isnan(values)))
    if len(changed):
        at = int(changed[0])
        raise ValueError(f"expected {exact.dtype} in {name}, got {values[at]} for clip {shorten(ids[at])}")
    return exact


def _results(tables: Mapping[str, Table], ids: Sequence[str]) -> list[ClipResult]:
    numbers = [_numbers(tables, name, dtype, ids).tolist() for name, dtype in _DTYPES.items()]
    columns = [*numbers, _texts(tables, "message")]
    return [ClipResult(Status(status), *rest) for status, *rest in zip(*columns, strict=True)]
