"""`heatpool archive …`: stores as one file, unions and parts of stores, other file formats and back."""

from __future__ import annotations

import logging
import sys
from functools import singledispatch
from pathlib import Path
from typing import Any, Literal

from tqdm.auto import tqdm

from heatpool.pipelines.options import archive as archive_options
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.archive.card import read_card, store_card
from heatpool.pool.archive.pack import Packed, pack, unpack, verify
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.disk.atomic import write_text
from heatpool.pool.disk.class_names import read_class_names
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.exchange.published import MANIFEST_NAME, export_published, import_published
from heatpool.pool.exchange.pyskl import export_pyskl, import_pyskl
from heatpool.pool.exchange.pyskl_file import PysklFile, read_pyskl
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.locate import open_archive
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_log = logging.getLogger(__name__)

_Format = Literal["hdf5", "npz", "npy", "pyskl"]
_BY_SUFFIX: dict[str, _Format] = {
    ".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz", ".pkl": "pyskl", ".pickle": "pyskl",
}  # fmt: skip
_EXPORTERS = {"hdf5": export_hdf5, "npz": export_npz, "npy": export_published, "pyskl": export_pyskl}


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
    kind = _pick(options.format, options.out, folder=not options.out.suffix)
    if kind != "hdf5" and options.dtype != "float16":
        raise HeatpoolError(f"expected --dtype {options.dtype} with --format hdf5 only, got {kind}")
    more: dict[str, Any] = {"dtype": options.dtype} if kind == "hdf5" else {}
    with Progress("export", len(store), "clips", quiet=options.quiet) as progress:
        count = _EXPORTERS[kind](
            store, options.out, overwrite=options.overwrite, on_clips=progress.step, **more
        )
    of = f" of {len(store)}, those with features" if count is not None else ""
    _log.info(f"{options.out}: {len(store) if count is None else count} clips{of}")
    return 0


@run.register
def _import(options: archive_options.ImportOptions) -> int:
    if not options.source.exists():
        raise HeatpoolError(f"{options.source}: no such file or folder")
    kind = _pick(options.format, options.source, folder=options.source.is_dir())
    if options.manifest and kind != "npy":
        raise HeatpoolError(
            f"expected --manifest with --format npy only, got {kind}; heatpool relabel STORE MANIFEST gives "
            "labels and splits to what was imported"
        )
    if options.class_names and kind != "pyskl":
        raise HeatpoolError(f"expected --class-names with --format pyskl only, got {kind}")
    # How many there are is known to the file alone.
    with tqdm(desc="import", unit=" clips", disable=options.quiet or not sys.stderr.isatty()) as progress:
        common: dict[str, Any] = {
            "precision": options.precision, "overwrite": options.overwrite, "on_clips": progress.update
        }  # fmt: skip
        more: dict[str, Any] = common | {"shard_clips": options.shard_clips, "licence": options.licence}
        if kind == "npy":
            manifest = options.manifest or _own_manifest(options.source)
            index = _read_index(manifest) if manifest else None
            import_published(options.source, options.out, index=index, **more)
        elif kind == "pyskl":
            file = read_pyskl(options.source)
            index = _index_pyskl(file, options)
            sizes: dict[str, Any] = {"steps": options.steps, "persons": options.persons}
            import_pyskl(file, options.out, index=index, **sizes, **more)
        else:
            importer = import_hdf5 if kind == "hdf5" else import_npz
            importer(options.source, options.out, **common)
    store = FeatureStore.open(options.out)
    _log.info(f"{options.out}: {len(store)} clips, {len(store.clips.rows())} with features")
    return 0


def _described(verb: str, packed: Packed) -> str:
    size = f"{packed.members} files, {packed.size:,} bytes"
    return f"{verb} {packed.path}: {size}, manifest SHA-256 {packed.digest}"


def _pick(asked: str, path: Path, *, folder: bool) -> str:
    """The format asked for, else the one that the name stands for."""
    if asked != "auto":
        return asked
    if path.suffix.lower() in _BY_SUFFIX:
        return _BY_SUFFIX[path.suffix.lower()]
    if folder:
        return "npy"
    known = ", ".join(_BY_SUFFIX)
    raise HeatpoolError(
        f"expected a name that ends in {known} (or a folder of .npy), got {path}; or give --format"
    )


def _own_manifest(folder: Path) -> Path | None:
    path = folder / MANIFEST_NAME
    return path if path.exists() else None


def _index_pyskl(file: PysklFile, options: archive_options.ImportOptions) -> ClipIndex:
    from heatpool.extract.datasets.pyskl_index import index_pyskl

    classes = read_class_names(options.class_names) if options.class_names else None
    return index_pyskl(file, classes=classes)


def _read_index(manifest: Path) -> ClipIndex:
    from heatpool.extract.datasets.manifest import read_manifest

    return read_manifest(manifest).index()
