"""From what a user names (a folder, a packed file, an address) to the source of its files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive import ArchiveSource, DiskFile
from heatpool.pool.sources.folder import FolderSource, Source
from heatpool.pool.sources.remote import RemoteFile, RemoteFolder, open_files

__all__ = ["ARCHIVE_SUFFIX", "find_source", "is_remote", "open_archive", "store_stem"]

ARCHIVE_SUFFIX = ".hpz"
_SCHEMES = ("http", "https", "s3", "s3a", "gs", "az", "abfs", "abfss")


def is_remote(location: str | Path) -> bool:
    """Whether a location is an address (`https://…`) rather than a path."""
    return "://" in str(location)


def store_stem(location: str | Path) -> str:
    """Name of a store without folders and suffix, to name other things after."""
    path = urlsplit(str(location)).path if is_remote(location) else str(location)
    return PurePosixPath(Path(path).as_posix()).stem


def find_source(location: str | Path) -> Source:
    """Find the store at a location: a folder, an archive, or either of them at an address.

    An address is an archive if its path ends with .hpz, else a store folder.

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
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise HeatpoolError(f"expected a path or an address of {known}, got {parts.scheme}://")
    archive = parts.path.rstrip("/").endswith(ARCHIVE_SUFFIX)
    files = open_files(url, file=archive)
    return ArchiveSource(RemoteFile(files)) if archive else RemoteFolder(files)
