"""Safe file handling: flush, replace, hash, folders aside, and the leftovers of dead writers."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import socket
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from heatpool.pool.disk.processes import process_start
from heatpool.pool.disk.text_files import require_regular

__all__ = [
    "cache_folder",
    "clean_leftovers",
    "disk_reason",
    "flush_all",
    "flush_file",
    "flush_folder",
    "flush_tree",
    "folders_above",
    "hash_bytes",
    "hash_file",
    "list_files",
    "move_files",
    "scratch_folder",
    "scratch_name",
    "temp_name",
    "write_atomic",
]

_log = logging.getLogger(__name__)

_FLUSHES = 32

FOREIGN_LEFTOVER_AGE_S = 3_600.0
"""Temporary folders of other hosts are taken for dead after this long without a change."""


def cache_folder() -> Path:
    """Where caches lie unless told otherwise: `heatpool` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heatpool"


def disk_reason(error: OSError) -> str:
    """Return in a few words why the system refused; HDF5 tells the number of the reason among much else."""
    text = str(error)
    number = error.errno or next(map(int, re.findall(r"errno = (\d+)", text)), 0)
    return os.strerror(number) if number else text.partition("\n")[0] or type(error).__name__


def flush_file(path: Path) -> None:
    """Flush a file's bytes to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush_folder(path: Path) -> None:
    """Flush a folder's entries (new names, renames, removals) to the disk."""
    flush_file(path)


def flush_all(paths: Iterable[Path]) -> None:
    """Flush files and folders in any order, some at a time: what waits is committed together."""
    with ThreadPoolExecutor(_FLUSHES) as pool:
        deque(pool.map(flush_file, paths), maxlen=0)


def flush_tree(folder: Path) -> None:
    """Flush a folder and everything below it."""
    flush_all([folder, *folder.rglob("*")])


def folders_above(paths: Iterable[Path], root: Path) -> set[Path]:
    """Return the folders that hold `paths`, and those above them up to `root`, which is among them."""
    found = {root}
    for path in paths:
        while (path := path.parent) not in found:
            found.add(path)
    return found


def list_files(root: Path, *, skip: tuple[str, ...], below: str = "") -> Iterator[str]:
    """Paths of the files below `root`, with `/`; of links too, which are not followed.

    Args:
        root: folder.
        skip: beginnings of names, of files and folders, that are passed over.
        below: folder in `root` to look into, with a `/` at its end.
    """
    with os.scandir(f"{root}/{below}") as entries:
        for entry in entries:
            if entry.name.startswith(skip):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from list_files(root, skip=skip, below=f"{below}{entry.name}/")
            else:
                yield below + entry.name


def move_files(aside: Path, root: Path, keys: Iterable[str]) -> None:
    """Put flushed files of a folder in the place of those of another (same disk); folders are not flushed."""
    for key in keys:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        os.replace(aside / key, root / key)


def hash_bytes(data: bytes) -> tuple[int, str]:
    """Number and SHA-256 (hex) of some bytes."""
    return len(data), hashlib.sha256(data).hexdigest()


def hash_file(path: Path) -> tuple[int, str]:
    """Size in bytes and SHA-256 (hex) of a file. Raises HeatpoolError for a pipe or a device."""
    require_regular(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def write_atomic(path: Path, data: bytes, *, temp_folder: Path) -> None:
    """Write `path` whole or not at all: aside in `temp_folder` (same disk), flushed, then renamed."""
    aside = temp_folder / path.name
    aside.write_bytes(data)
    flush_file(aside)
    os.replace(aside, path)
    flush_folder(path.parent)


def _host() -> str:
    return re.sub(r"[^A-Za-z0-9.]", "_", socket.gethostname()) or "host"


def temp_name(label: str) -> str:
    """Name of a temporary folder that tells who owns it: `.tmp-<label>-<host>-<pid>`."""
    return f".tmp-{label}-{_host()}-{os.getpid()}"


def scratch_name(label: str) -> str:
    """Name of the scratch folder of this process for `label`; "-" parts the pieces of a temporary name."""
    return temp_name(label.replace("-", "_"))


@contextmanager
def scratch_folder(parent: Path, label: str) -> Iterator[Path]:
    """A new folder in `parent` (made if needed) that goes when the block ends; dead writers' go before.

    Args:
        parent: where the files will be at last, so that they can be renamed from here.
        label: tells scratch folders of one purpose from others.

    Raises:
        OSError: if the disk refuses.
    """
    parent.mkdir(parents=True, exist_ok=True)
    folder = parent / scratch_name(label)
    for name in clean_leftovers(parent, prefix=f".tmp-{label.replace('-', '_')}-"):
        _log.info("removed %s, which a process that no longer runs left", parent / name)
    shutil.rmtree(folder, ignore_errors=True)  # of a dead process whose number we have now
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _is_dead(entry: Path) -> bool:
    label, host, pid = entry.name.rsplit("-", 2)
    shard = label.removeprefix(".tmp-shard")
    if host != _host() and shard.isdigit() and (entry.parent / f".lock-shard{int(shard):07d}").exists():
        return False  # whose lock it is decides whether its writer lives: no clock is asked
    if host != _host() or not pid.isdigit():
        return time.time() - entry.stat().st_mtime > FOREIGN_LEFTOVER_AGE_S
    return process_start(int(pid)) is None


def _died_here(entry: Path) -> bool:
    _, host, pid = entry.name.rsplit("-", 2)
    return host == _host() and pid.isdigit() and process_start(int(pid)) is None


def clean_leftovers(folder: Path, *, prefix: str = ".tmp-") -> list[str]:
    """Remove temporary folders of writers that no longer run; returns the removed names.

    A writer of this host is dead when its process is gone; whatever it wrote, its folder goes. Writers of
    other hosts cannot be asked: their folders go, those with the given prefix, once they are an hour old and
    the lock of their shard, if they are of one, is gone.
    """
    removed = []
    for entry in sorted(folder.iterdir()):
        ours = entry.name.startswith(".tmp-") and entry.name.count("-") >= 3
        if not ours or not entry.is_dir() or entry.is_symlink():
            continue
        if _died_here(entry) or (entry.name.startswith(prefix) and _is_dead(entry)):
            shutil.rmtree(entry)
            removed.append(entry.name)
    return removed
