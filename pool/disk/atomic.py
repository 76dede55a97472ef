"""Files and folders that appear whole or not at all, and the refusal of an output that exists.

What is made lies aside, in a folder `.tmp-<name>-<host>-<pid>` next to its place, is flushed and then
renamed: whoever looks sees the old state or the new one. Who was killed in between leaves that folder;
the next one to make the same thing clears it away.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from heatpool.pool.disk.files import (
    disk_reason,
    flush_file,
    flush_folder,
    flush_tree,
    scratch_folder,
    scratch_name,
    temp_name,
)
from heatpool.pool.disk.swap import swap_folders
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "OnStep",
    "atomic_file",
    "atomic_folder",
    "refuse_existing",
    "write_bytes",
    "write_json",
    "write_text",
]

OnStep = Callable[[str], None]
"""Called with the name of each step of a write once it is done (`shard 3: renamed boxes`)."""


def refuse_existing(path: str | Path, overwrite: bool = False, *, resumable: bool = False) -> None:
    """Raise HeatpoolError if there is something at `path`, a broken link too, unless it may be replaced.

    A link to a folder never is: its place would be taken, and what it leads to stay.

    Args:
        path: of a file or folder to be made.
        overwrite: the user wants it replaced.
        resumable: what is there can be resumed: the message names that way too.
    """
    if os.path.lexists(path) and not overwrite:
        resume = ", resume it with --resume" if resumable else ""
        raise HeatpoolError(f"{path} already exists; choose another{resume} or replace it with --overwrite")
    if os.path.islink(path) and os.path.isdir(path):
        raise HeatpoolError(f"{path} is a link: replace what it leads to, {os.path.realpath(path)}")


@contextmanager
def atomic_file(path: str | Path, overwrite: bool = False) -> Iterator[Path]:
    """Give a path to write; the file moves to `path` when the block ends without an error.

    The given path has the name and suffix of `path` and does not exist yet. Folders above are made.

    Raises:
        HeatpoolError: if `path` exists and may not be replaced, is a folder, or the disk refuses.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    with _errors(target), scratch_folder(target.parent, target.name) as folder:
        if target.is_dir():  # found out now, not when hours of work are to be renamed
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        aside = folder / target.name
        yield aside
        flush_file(aside)
        refuse_existing(target, overwrite)  # made by another while we wrote
        os.replace(aside, target)
        flush_folder(target.parent)


@contextmanager
def atomic_folder(
    path: str | Path, overwrite: bool = False, *, on_step: OnStep = lambda name: None
) -> Iterator[Path]:
    """Give an empty folder to fill; it moves to `path` when the block ends without an error.

    Args:
        path: folder to make; folders above are made too.
        overwrite: replace what is there, in one step; where the file system cannot swap folders (NFS), what
            is there is moved aside first, to `.tmp-<name>_old-<host>-<pid>`, and removed last.
        on_step: called with the name of each step once it is done.

    Raises:
        HeatpoolError: if `path` exists and may not be replaced, or the disk refuses.
    """
    target = Path(path)
    refuse_existing(target, overwrite)
    with _errors(target), scratch_folder(target.parent, target.name) as aside:
        if os.path.lexists(target) and (target.is_symlink() or not target.is_dir()):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        yield aside
        flush_tree(aside)
        on_step("flushed")
        refuse_existing(target, overwrite)
        old = target.with_name(
            temp_name(f"{target.name.replace('-', '_')}-old")
        )  # cleared away as `aside` is
        _swap(aside, target, old=old, on_step=on_step)
        flush_folder(target.parent)
        on_step("in place")
        shutil.rmtree(old, ignore_errors=True)


def _swap(aside: Path, target: Path, *, old: Path, on_step: OnStep) -> None:
    """Rename `aside` to `target`; what is there changes places with it, or is renamed to `old` before."""
    if os.path.lexists(target) and swap_folders(aside, target):
        return
    try:
        if os.path.lexists(target):
            os.rename(target, old)
            on_step("moved the old one away")
        os.rename(aside, target)
    except BaseException:
        if os.path.lexists(old) and not os.path.lexists(target):
            os.rename(old, target)
        raise


def write_bytes(path: str | Path, data: bytes, overwrite: bool = False) -> None:
    """Write a file whole or not at all. Raises as `atomic_file`."""
    with atomic_file(path, overwrite) as aside:
        aside.write_bytes(data)


def write_text(path: str | Path, text: str, overwrite: bool = False) -> None:
    """Write a text file (UTF-8, line ends as they are) whole or not at all. Raises as `atomic_file`."""
    write_bytes(path, text.encode(), overwrite)


def write_json(path: str | Path, value: Any, overwrite: bool = False) -> None:
    """Write `value` as indented JSON, whole or not at all. Raises as `atomic_file`."""
    write_text(path, json.dumps(value, indent=1) + "\n", overwrite)


@contextmanager
def _errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise HeatpoolError(f"{target}: cannot be written ({disk_reason(error)})") from error
    except HeatpoolError as error:
        # A store that is made aside speaks of that folder, and of a --resume that there is not.
        if isinstance(error.__cause__, OSError) and scratch_name(target.name) in str(error):
            reason = disk_reason(error.__cause__)
            raise HeatpoolError(f"{target}: cannot be written ({reason})") from error
        raise
