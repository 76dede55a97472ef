"""Resuming a store: is it from the same input, and are the files of its creation whole."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from heatpool.pool.disk.files import flush_all, flush_tree, folders_above, move_files, scratch_folder
from heatpool.pool.errors import HeatpoolError, shorten
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import layout_from_attributes, read_root, root_attributes
from heatpool.pool.store.create import CREATION, CreationRecord, digest_index, fill_new
from heatpool.pool.store.index import IndexReader
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.verify import Check, damaged_creation

__all__ = ["NETWORK", "FoundStore", "compare_input", "find_difference", "remake_files"]

_log = logging.getLogger(__name__)

NETWORK = "network"
"""Entry of a configuration: what decides numbers beside the pose network's weights and the options."""


@dataclass(frozen=True)
class FoundStore:
    """A store that was made from the given input.

    Attributes:
        layout: its sizes.
        attributes: its root attributes, without those that the index brings.
        index: its clips.
        record: its `index.json`, None when that is lost or damaged.
        damaged: keys of files of its creation that are gone or not as recorded.
    """

    layout: Layout
    attributes: Mapping[str, Any]
    index: ClipIndex
    record: CreationRecord | None
    damaged: Sequence[str]

    @property
    def incomplete(self) -> bool:
        """Whether files of its creation have to be made again."""
        return bool(self.damaged) or self.record is None


def compare_input(root: Path, *, spec: StoreSpec, index: ClipIndex, check: Check) -> FoundStore:
    """Find out whether the store at `root` was made from `spec` and `index`; changes nothing.

    Raises:
        HeatpoolError: if there is no store of this version, or it was made from other input.
    """
    source = FolderSource(root)
    try:
        record = CreationRecord.read(source)
    except HeatpoolError:
        record = None  # damaged is as good as lost: the index itself is compared
    damaged = damaged_creation(source, record, check=check) if record else []
    if record is None or "zarr.json" not in damaged:
        stored = read_root(source)
    else:
        stored = root_attributes(
            spec, clips=len(index), shard_clips=record.shard_clips, version=record.format_version
        )
        stored |= {"code_version": record.code_version, "disjoint": index.disjoint}
        stored = {**stored, "versions": record.versions} if record.versions else _without(stored, "versions")
    given = root_attributes(
        spec, clips=len(index), shard_clips=stored["shard_clips"], version=stored["version"]
    )
    # Another release may resume a store: each journal record names the release that wrote it. Earlier
    # ones left out the channels of each tap and the edges, and named COCO's joints whatever V was; all
    # follow from the network.
    # Whether other versions of packages may resume it is for the caller to say, who knows what they move.
    names = {*given, "rgb", "map_mean"} - {"code_version", "tap_channels", "versions"}
    names -= set() if "edges" in stored else {"joint_names", "edges"}
    difference = find_difference(
        {name: stored[name] for name in names & set(stored)},
        {name: given[name] for name in names & set(given)},
    )
    layout = layout_from_attributes(stored)
    index, rules = replace(index, disjoint=stored.get("disjoint", {})), index.disjoint
    if index.disjoint:
        difference = difference or find_difference(index.disjoint, rules, prefix="disjoint.")
    elif rules:  # a store of an earlier release, for one: its zarr.json stays as recorded
        _log.warning("%s: has no split rule and gets none on resume; give --disjoint to train", root)
    if not difference and (record is None or record.index_sha256 != digest_index(index)):
        difference = _find_index_difference(IndexReader(source, layout).index(), index)
    if difference:
        raise HeatpoolError(
            f"{root}: cannot resume, the store was made from other input: {difference}; "
            "give the same input, another output, or --overwrite"
        )
    attributes = _without(stored, "columns", "splits", "disjoint")
    return FoundStore(layout, attributes, index, record, damaged)


def _without(attributes: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key not in names}


def remake_files(root: Path, found: FoundStore) -> None:
    """Make damaged files of a store's creation again, from the same input, to the recorded bytes.

    A lost `index.json` is made again if all other files are as made anew.

    Raises:
        HeatpoolError: if this heatpool, with its zarr, does not give the same bytes.
        OSError: if the disk refuses.
    """
    with scratch_folder(root, "remake") as aside:
        fill_new(
            aside, found.layout, attributes=found.attributes, index=found.index, on_step=lambda name: None
        )
        made = CreationRecord.read(FolderSource(aside))
        assert made is not None, "fill_new writes index.json"
        if found.record is None:
            wanted: Sequence[str] = [CREATION]
            different = damaged_creation(FolderSource(root), made, check="hashes")
        else:
            wanted, recorded = found.damaged, found.record.files
            different = [key for key in wanted if made.files.get(key) != recorded[key]]
        if different:
            raise HeatpoolError(
                f"{root}: damaged, and {shorten(different)} cannot be made again to the same bytes; take the "
                "versions of heatpool and zarr that made the store, or --overwrite"
            )
        flush_tree(aside)
        move_files(aside, root, wanted)
        flush_all(folders_above((root / key for key in wanted), root))


def find_difference(stored: Mapping[str, Any], given: Mapping[str, Any], *, prefix: str = "") -> str:
    """The first entry in which two nested mappings differ, "" when they are equal.

    Of `config.network` only what both know is compared: later builds record more.
    """
    for key in sorted({*stored, *given}):
        old, new, in_both = stored.get(key), given.get(key), (key in stored) == (key in given)
        name = f"{prefix}{key}"
        if (old == new and in_both) or (not in_both and f"{name}.".startswith(f"config.{NETWORK}.")):
            continue
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            if difference := find_difference(old, new, prefix=f"{name}."):
                return difference
            continue
        old_text, new_text = (shorten(m[key]) if key in m else "nothing" for m in (stored, given))
        return f"{name}: {old_text} in the store, {new_text} given"
    return ""


def _find_index_difference(stored: ClipIndex, given: ClipIndex) -> str:
    """What differs first between two indices, "" when they are equal."""
    if len(stored) != len(given):
        return f"{len(stored)} clips in the store, {len(given)} given"
    if stored.class_names != given.class_names:
        return f"class_names: {shorten(stored.class_names)} in the store, {shorten(given.class_names)} given"
    for kind in ("columns", "splits"):
        names = [sorted(getattr(index, kind)) for index in (stored, given)]
        if names[0] != names[1]:
            return f"{kind}: {shorten(names[0])} in the store, {shorten(names[1])} given"
    fields: list[tuple[str, Sequence[Any], Sequence[Any]]] = [
        ("clip_id", stored.clip_id, given.clip_id),
        ("path", stored.path, given.path),
        ("label", stored.label.tolist(), given.label.tolist()),
    ]
    fields += [(f"column {k}", v, given.columns[k]) for k, v in stored.columns.items()]
    fields += [(f"split {k}", v.tolist(), given.splits[k].tolist()) for k, v in stored.splits.items()]
    for name, old, new in fields:
        if old != new:
            row = next(i for i, (a, b) in enumerate(zip(old, new, strict=True)) if a != b)
            return f"{name} of row {row}: {shorten(old[row])} in the store, {shorten(new[row])} given"
    return ""
