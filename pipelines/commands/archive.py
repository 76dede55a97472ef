"""`heatpool archive …`: stores as one file, unions and parts of stores, other file formats and back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import singledispatch
from pathlib import Path
from typing import Any

from heatpool.pipelines.commands.archive_import import import_store
from heatpool.pipelines.options import archive as archive_options
from heatpool.pipelines.options.archive_import import ImportOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.archive.card import read_card, store_card
from heatpool.pool.archive.pack import Packed, pack, unpack, verify
from heatpool.pool.archive.push import push_archive
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.disk.atomic import write_text
from heatpool.pool.disk.text_files import require_regular
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5
from heatpool.pool.exchange.keypoints.coco_export import export_coco
from heatpool.pool.exchange.keypoints.sleap_export import export_sleap
from heatpool.pool.exchange.movement import export_movement
from heatpool.pool.exchange.npz import export_npz
from heatpool.pool.exchange.published import export_published
from heatpool.pool.exchange.pyskl import export_pyskl
from heatpool.pool.sources.locate import open_archive
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_log = logging.getLogger(__name__)

_BY_SUFFIX = {
    ".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz", ".pkl": "pyskl", ".pickle": "pyskl", ".nc": "movement",
    ".json": "coco", ".slp": "sleap",
}  # fmt: skip
_EXPORTERS: dict[str, Callable[..., int | None]] = {
    "hdf5": export_hdf5, "npz": export_npz, "npy": export_published, "pyskl": export_pyskl,
    "coco": export_coco, "sleap": export_sleap, "movement": export_movement,
}  # fmt: skip


@singledispatch
def run(options: Any) -> int:
    """Do what options of this group ask; return the exit code.

    Raises:
        HeatpoolError: if an input is damaged, missing, of another format or wants to run code, or an output
            exists.
    """
    raise TypeError(f"expected options of an archive command, got {type(options).__name__}")


@run.register
def _pack(options: archive_options.PackOptions) -> int:
    card = read_card(options.card) if options.card else store_card(FeatureStore.open(options.store))
    packed = pack(options.store, options.out, card=card, overwrite=options.overwrite)
    print(_described("packed", packed))
    return 0


@run.register
def _verify(options: archive_options.VerifyArchiveOptions) -> int:
    print(_described("intact:", verify(open_archive(options.archive))))
    return 0


@run.register
def _unpack(options: archive_options.UnpackOptions) -> int:
    print(
        _described(
            "unpacked", unpack(open_archive(options.archive), options.out, overwrite=options.overwrite)
        )
    )
    return 0


@run.register
def _push(options: archive_options.PushOptions) -> int:
    if options.quiet:
        from huggingface_hub.utils import disable_progress_bars  # type: ignore[attr-defined]  # lazy there

        disable_progress_bars()
    pushed = push_archive(
        options.store, options.address, card=options.card, private=options.private,
        overwrite=options.overwrite, dry_run=options.dry_run,
    )  # fmt: skip
    for name, state in pushed.files.items():
        print(f"{name}: {state}")
    done = "pushed" if set(pushed.files.values()) - {"there already"} else "unchanged:"
    verb = "would push" if options.dry_run else done
    print(f"{verb} {pushed.address}: {pushed.size:,} bytes, manifest SHA-256 {pushed.digest}")
    return 0


@run.register
def _card(options: archive_options.CardOptions) -> int:
    text = store_card(FeatureStore.open(options.store))
    if options.out is None:
        print(text, end="")
        return 0
    write_text(options.out, text, options.overwrite)
    print(f"edit {options.out}, then: heatpool archive pack STORE OUT.hpz --card {options.out}")
    return 0


@run.register
def _merge(options: archive_options.MergeOptions) -> int:
    stores = [FeatureStore.open(location) for location in options.stores]
    with Progress("merge", sum(map(len, stores)), "clips", quiet=options.quiet) as progress:
        merge_stores(
            stores, options.out, mixed_versions=options.mixed_versions,
            overwrite=options.overwrite, on_clips=progress.step,
        )  # fmt: skip
    _log.info(f"{options.out}: {sum(map(len, stores))} clips of {len(stores)} stores")
    return 0


@run.register
def _subset(options: archive_options.SubsetOptions) -> int:
    store = FeatureStore.open(options.store)
    classes, where = options.class_list, options.where_values
    rows = store.clips.rows(options.protocol, options.split, where=where or None, classes=classes or None)
    given = {"protocol": options.protocol, "split": options.split, "classes": classes, "where": where}
    with Progress("subset", len(rows), "clips", quiet=options.quiet) as progress:
        subset_store(
            store, options.out, rows=rows, keep_classes=not classes, on_clips=progress.step,
            choice={name: value for name, value in given.items() if value}, overwrite=options.overwrite,
        )  # fmt: skip
    _log.info(f"{options.out}: {len(rows)} of {len(store)} clips")
    return 0


@run.register
def _export(options: archive_options.ExportOptions) -> int:
    store = FeatureStore.open(options.store)
    kind = _pick(options.format, options.out)
    if kind != "hdf5" and options.dtype != "float32":
        raise HeatpoolError(f"expected --dtype {options.dtype} with --format hdf5 only, got {kind}")
    if kind != "movement" and options.clip is not None:
        raise HeatpoolError(f"expected --clip with --format movement only, got {kind}")
    of_kind: dict[str, dict[str, Any]] = {
        "hdf5": {"dtype": options.dtype},
        "movement": {"clip_id": options.clip},
    }
    with Progress("export", len(store), "clips", quiet=options.quiet) as progress:
        count = _EXPORTERS[kind](
            store, options.out, overwrite=options.overwrite, on_clips=progress.step, **of_kind.get(kind, {})
        )
    which = f"{len(store)} clips"
    if count is not None:
        which = f"{count} of {which}" if options.clip else f"{count} of {which}, those with features"
    _log.info(f"{options.out}: {which}")
    return 0


@run.register
def _import(options: ImportOptions) -> int:
    require_regular(options.source)
    return import_store(options)


def _described(verb: str, packed: Packed) -> str:
    size = f"{packed.members} files, {packed.size:,} bytes"
    return f"{verb} {packed.path}: {size}, manifest SHA-256 {packed.digest}"


def _pick(asked: str, out: Path) -> str:
    """The format asked for, else the one that the name stands for."""
    if asked != "auto":
        return asked
    if out.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[out.suffix.lower()]
    if not out.suffix:
        return "npy"
    known = ", ".join(_BY_SUFFIX)
    raise HeatpoolError(
        f"expected a name that ends in {known} (or a folder of .npy), got {out}; or give --format"
    )
