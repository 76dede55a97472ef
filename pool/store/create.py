"""Making a store on disk: declared arrays, the index, and the marks of both; whole or not at all."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from heatpool.pool.disk.files import flush_folder, flush_tree
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import read_root
from heatpool.pool.store.creation import CREATION, CreationRecord
from heatpool.pool.store.index import create_index, create_results
from heatpool.pool.store.layout import JOURNAL, RESULT_DTYPES, Layout, create_feature_array
from heatpool.pool.store.shard_writer import OnStep

__all__ = ["fill_new", "move_into_place", "refuse_existing"]


def fill_new(
    root: Path, layout: Layout, *, attributes: Mapping[str, Any], index: ClipIndex, on_step: OnStep
) -> None:
    """Write everything that a store holds before its first shard into the new folder `root`.

    Raises:
        HeatpoolError: if a name in the index cannot be stored.
        OSError: if the disk refuses.
    """
    group = zarr.create_group(root, zarr_format=3, attributes=dict(attributes))
    for spec in layout.stored.values():
        create_feature_array(group, spec, clips=layout.clips, shard_clips=layout.shard_clips)
    on_step("create: declared features")
    create_index(group, index)
    create_results(group, {name: np.zeros(layout.clips, dtype) for name, dtype in RESULT_DTYPES.items()})
    on_step("create: wrote the index")
    with warnings.catch_warnings():
        # Consolidated metadata lets readers open the store with one read. zarr notes that it is
        # not in the v3 core document; readers that do not know it ignore it.
        warnings.filterwarnings("ignore", message="Consolidated metadata", category=UserWarning)
        zarr.consolidate_metadata(str(root))
    record = CreationRecord.of(
        root, index=index, shard_clips=layout.shard_clips, code_version=attributes["code_version"]
    )
    (root / CREATION).write_bytes(record.to_bytes())
    (root / JOURNAL).mkdir()
    flush_tree(root)
    on_step("create: flushed")


def move_into_place(aside: Path, root: Path, *, old: Path | None, on_step: OnStep) -> None:
    """Rename a new store to `root`. With `old`, the store that is there goes to `old` first and away last.

    Raises:
        HeatpoolError: if another process made `root` meanwhile.
        OSError: if the disk refuses.
    """
    if old is not None:
        os.rename(root, old)
        on_step("create: moved the old store away")
    try:
        os.rename(aside, root)
    except OSError as error:
        if not root.exists():
            raise
        raise HeatpoolError(f"{root}: already exists; another process made it meanwhile") from error
    flush_folder(root.parent)
    on_step("create: in place")
    if old is not None:
        shutil.rmtree(old, ignore_errors=True)


def refuse_existing(root: Path, *, overwrite: bool) -> None:
    """Raise HeatpoolError unless `root` is free, or a store (or empty folder) that may be replaced."""
    if not os.path.lexists(root):
        return
    if not overwrite:
        raise HeatpoolError(f"{root}: already exists; go on with --resume or replace it with --overwrite")
    if root.is_dir() and not root.is_symlink() and not any(root.iterdir()):
        return
    try:
        read_root(FolderSource(root), any_version=True)
    except HeatpoolError as error:
        raise HeatpoolError(f"--overwrite replaces heatpool feature stores only: {error}") from error
