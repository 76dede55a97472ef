"""Two folders change places in one step, where the system can do that."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

__all__ = ["swap_folders"]

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # Linux, <fcntl.h> and <linux/fs.h>
_RENAME_SWAP = 2  # macOS, <sys/stdio.h>
_CANNOT = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def swap_folders(one: Path, other: Path) -> bool:
    """Exchange what two paths of one file system name; False where system or file system cannot.

    Local file systems of Linux and macOS can, NFS cannot. Python has no call for it.

    Raises:
        OSError: if the disk refuses otherwise.
    """
    library = ctypes.CDLL(None, use_errno=True)
    paths = os.fsencode(one), os.fsencode(other)
    if (linux := getattr(library, "renameat2", None)) is not None:
        failed = linux(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE)
    elif (macos := getattr(library, "renamex_np", None)) is not None:
        failed = macos(*paths, _RENAME_SWAP)
    else:
        return False
    if failed and (number := ctypes.get_errno()) not in _CANNOT:
        raise OSError(number, os.strerror(number), str(other))
    return not failed
