"""`heatpool archive export` and `import`: feature stores in other file formats, and back."""

from __future__ import annotations

import sys
from functools import singledispatch
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pipelines.options import ExportOptions, ImportOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.exchange.published import MANIFEST_NAME, export_published, import_published
from heatpool.pool.exchange.pyskl import export_pyskl, import_pyskl
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_Format = Literal["hdf5", "npz", "npy", "pyskl"]
_BY_SUFFIX: dict[str, _Format] = {
    ".h5": "hdf5", ".hdf5": "hdf5", ".npz": "npz", ".pkl": "pyskl", ".pickle": "pyskl",
}  # fmt: skip


@singledispatch
def run(config: Any) -> int:
    """Export or import, as the configuration asks; return the exit code.

    Raises:
        HeatpoolError: if the input is damaged, of another format or wants to run code, or the output exists.
    """
    raise TypeError(f"expected a configuration of export or import, got {type(config).__name__}")


@run.register(ExportOptions)
def _export(config: ExportOptions) -> int:
    store = FeatureStore.open(config.store)
    kind = _pick(config.format, config.out, folder=not config.out.suffix)
    exporter = {
        "hdf5": export_hdf5, "npz": export_npz, "npy": export_published, "pyskl": export_pyskl,
    }[kind]  # fmt: skip
    with Progress("export", len(store), "clips", quiet=config.quiet) as progress:
        count = exporter(store, config.out, on_clips=progress.step)
    if not config.quiet:
        left = f" of {len(store)}, those with features" if count is not None else ""
        print(f"{config.out}: {len(store) if count is None else count} clips{left}", file=sys.stderr)
    return 0


@run.register(ImportOptions)
def _import(config: ImportOptions) -> int:
    if not config.source.exists():
        raise HeatpoolError(f"{config.source}: no such file or folder")
    kind = _pick(config.format, config.source, folder=config.source.is_dir())
    # How many there are is known to the file alone.
    with tqdm(desc="import", unit=" clips", disable=config.quiet or not sys.stderr.isatty()) as progress:
        options: dict[str, Any] = {"precision": config.precision, "on_clips": progress.update}
        more: dict[str, Any] = options | {"shard_clips": config.shard_clips, "licence": config.licence}
        if kind == "npy":
            manifest = config.manifest or _own_manifest(config.source)
            index = read_manifest(manifest).index() if manifest else None
            import_published(config.source, config.out, index=index, **more)
        elif kind == "pyskl":
            names = _lines(config.class_names) if config.class_names else ()
            sizes: dict[str, Any] = {"steps": config.steps, "persons": config.persons}
            import_pyskl(config.source, config.out, class_names=names, **sizes, **more)
        else:
            importer = import_hdf5 if kind == "hdf5" else import_npz
            importer(config.source, config.out, **options)
    if not config.quiet:
        store = FeatureStore.open(config.out)
        print(f"{config.out}: {len(store)} clips, {len(store.clips.rows())} with features", file=sys.stderr)
    return 0


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


def _lines(path: Path) -> tuple[str, ...]:
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise HeatpoolError(f"{path}: cannot read class names ({error})") from error
