"""From what a user names (a folder, a packed file, an address) to the source of its files."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive import ArchiveSource, DiskFile
from heatpool.pool.sources.folder import FolderSource, Source

__all__ = ["ARCHIVE_SUFFIX", "find_source", "is_remote", "open_archive", "store_stem"]

ARCHIVE_SUFFIX = ".hpz"
_OBJECT_STORES = ("s3", "s3a", "gs", "az", "abfs", "abfss")


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
    from heatpool.pool.sources import remote  # requests takes a tenth of a second to import

    parts = urlsplit(url)
    archive = parts.path.rstrip("/").endswith(ARCHIVE_SUFFIX)
    files: remote.HttpFiles | remote.ObjectFiles
    if parts.scheme in ("http", "https"):
        files = remote.HttpFiles(url)
    elif parts.scheme in _OBJECT_STORES:
        files = remote.open_object_files(url, file=archive)
    else:
        known = ", ".join(f"{scheme}://" for scheme in ("http", "https", *_OBJECT_STORES))
        raise HeatpoolError(f"expected a path or an address of {known}, got {url}")
    return ArchiveSource(remote.RemoteFile(files)) if archive else remote.RemoteFolder(files)
