"""From what a user names (a folder, a packed file, an address) to the source of its files."""

from __future__ import annotations

from functools import partial
from pathlib import Path, PurePosixPath

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.addresses import open_files, split_address
from heatpool.pool.sources.archive import ARCHIVE, ArchiveSource, DiskFile, first_member
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.sources.remote import RemoteFile, RemoteFolder

__all__ = ["ARCHIVE_SUFFIX", "find_source", "is_remote", "open_archive", "store_stem"]

ARCHIVE_SUFFIX = ".hpz"


def is_remote(location: str | Path) -> bool:
    """Whether a location is an address (`https://…`) rather than a path."""
    return "://" in str(location)


def store_stem(location: str | Path) -> str:
    """Name of a store without folders and suffix, to name other things after."""
    path = split_address(str(location)).path if is_remote(location) else str(location)
    return PurePosixPath(Path(path).as_posix()).stem


def find_source(location: str | Path) -> Source:
    """Find the store at a location: a folder, an archive, or either of them at an address.

    An address is an archive if its path ends with .hpz, or there is no store folder at it.

    Raises:
        HeatpoolError: if there is none, or it cannot be reached.
    """
    if not is_remote(location):
        path = Path(location)
        return ArchiveSource(DiskFile(path)) if path.is_file() else FolderSource(path)
    return _find_remote(str(location))


def open_archive(location: str | Path) -> ArchiveSource:
    """Open an archive on disk or at an address.

    Raises:
        HeatpoolError: if it is a store folder, is not there, or is no archive.
    """
    source = find_source(location)
    if not isinstance(source, ArchiveSource):
        raise HeatpoolError(f"{source.name}: expected an archive ({ARCHIVE_SUFFIX}), got no such file")
    return source


def _find_remote(url: str) -> Source:
    parts = split_address(url)
    file = parts.path.rstrip("/").endswith(ARCHIVE_SUFFIX)
    files = open_files(url, file=file)
    # A byte says whether there is a store and whether the server knows ranges. Where there is none: data
    # archives and web drives give files addresses without their names.
    if not file and (files.listing or files.begin("zarr.json", 0, 1) is not None):
        return RemoteFolder(files)
    wanted = ARCHIVE if file else f"a feature store, or {ARCHIVE}"
    return ArchiveSource(RemoteFile(files, accept=partial(first_member, name=files.name, wanted=wanted)))
