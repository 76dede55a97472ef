"""Going on with a store: is it from the same input, and are the files of its creation whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.pool.disk.files import temp_name, write_atomic
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, StoreSpec
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import layout_from_attributes, read_root, root_attributes
from heatpool.pool.store.create import fill_new
from heatpool.pool.store.creation import CREATION, CreationRecord, digest_index
from heatpool.pool.store.differences import find_difference, find_index_difference, shorten
from heatpool.pool.store.index_reader import IndexReader
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.verify import Check, damaged_creation

__all__ = ["FoundStore", "compare_input", "remake_files"]


@dataclass(frozen=True)
class FoundStore:
    """A store that was made from the given input.

    Attributes:
        layout: its sizes.
        attributes: its root attributes, without those that the index brings.
        record: its `index.json`, None when that is lost or damaged.
        damaged: keys of files of its creation that are gone or not as recorded.
    """

    layout: Layout
    attributes: Mapping[str, Any]
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
    damaged = damaged_creation(root, record, check=check) if record else []
    if record is None or "zarr.json" not in damaged:
        stored = read_root(source)
    else:
        stored = root_attributes(spec, clips=len(index), shard_clips=record.shard_clips)
        stored["code_version"] = record.code_version
    given = root_attributes(spec, clips=len(index), shard_clips=stored["shard_clips"])
    # Another release may go on with a store: each journal record names the release that wrote it. Earlier
    # ones left out the channels of each tap, which follow from network and tap.
    names = {*given, "rgb", "map_mean"} - {"code_version", "tap_channels"}
    difference = find_difference(
        {name: stored[name] for name in names & set(stored)},
        {name: given[name] for name in names & set(given)},
    )
    layout = layout_from_attributes(stored)
    if not difference and (record is None or record.index_sha256 != digest_index(index)):
        difference = find_index_difference(IndexReader(source, layout).index(), index)
    if difference:
        raise HeatpoolError(
            f"{root}: cannot resume, the store was made from other input: {difference}; "
            "give the same input, another output, or --overwrite"
        )
    attributes = {key: value for key, value in stored.items() if key not in ("columns", "splits")}
    return FoundStore(layout, attributes, record, damaged)


def remake_files(root: Path, found: FoundStore, *, index: ClipIndex) -> None:
    """Make damaged files of a store's creation again, from the same input, to the recorded bytes.

    A lost `index.json` is made again if all other files are as made anew.

    Raises:
        HeatpoolError: if this heatpool, with its zarr, does not give the same bytes.
        OSError: if the disk refuses.
    """
    aside = root / temp_name("remake")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        fill_new(aside, found.layout, attributes=found.attributes, index=index, on_step=lambda name: None)
        made = CreationRecord.read(FolderSource(aside))
        assert made is not None, "fill_new writes index.json"
        if found.record is None:
            wanted: Sequence[str] = [CREATION]
            different = damaged_creation(root, made, check="hashes")
        else:
            wanted, recorded = found.damaged, found.record.files
            different = [key for key in wanted if made.files.get(key) != recorded[key]]
        if different:
            raise HeatpoolError(
                f"{root}: damaged, and {shorten(different)} cannot be made again to the same bytes; take the "
                "versions of heatpool and zarr that made the store, or --overwrite"
            )
        for key in wanted:
            (root / key).parent.mkdir(exist_ok=True)
            write_atomic(root / key, (aside / key).read_bytes(), temp_folder=aside)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
