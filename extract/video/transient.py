"""Faults of the moment: what kept a video from being read is no fault of the video, and may be over soon."""

from __future__ import annotations

import errno
from pathlib import Path

from av.error import FFmpegError

from heatpool.pool.errors import HeatpoolError

__all__ = ["can_be_opened", "is_transient", "raise_transient"]

_OF_THE_SYSTEM = {
    errno.ENOENT, errno.EACCES, errno.EPERM,  # away, or not ours to read
    errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS,  # memory, threads or files ran out
    errno.EIO, errno.ESTALE, errno.ENODEV, errno.ENXIO, errno.ENOTCONN, errno.ETIMEDOUT, errno.ECONNRESET,
    errno.ECONNREFUSED, errno.ECONNABORTED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN,
}  # fmt: skip
_BLOCK = 1 << 20


def is_transient(error: BaseException, path: Path) -> bool:
    """Tell whether a file could not be read by a fault of the moment, from what was raised and its causes.

    FFmpeg calls a file that ends too early an input/output error, too: then the file itself is read.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, MemoryError):
            return True
        number = getattr(cause, "errno", None)
        if number in _OF_THE_SYSTEM:
            return not (number == errno.EIO and isinstance(cause, FFmpegError) and _is_readable(path))
        cause = cause.__cause__
    return not _place(path).exists()  # of pictures, whose folder is looked for and not opened


def raise_transient(error: FFmpegError, path: Path) -> None:
    """Raise HeatpoolError if FFmpeg failed by a fault of the moment."""
    if is_transient(error, path):
        raise HeatpoolError(f"cannot read {path.name}: {error.strerror}") from error


def can_be_opened(path: Path) -> bool:
    """Tell whether a video, a folder of pictures, or the folder of a pattern of pictures is there now."""
    place = _place(path)
    try:
        if place.is_dir():
            return next(place.iterdir(), None) is not None
        with place.open("rb") as file:
            return bool(file.read(1))
    except OSError:
        return False


def _place(path: Path) -> Path:
    """The file or folder on the disk: of a pattern of pictures that they lie in."""
    return path.parent if "%" in path.name and not path.exists() else path


def _is_readable(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            while file.read(_BLOCK):
                pass
    except OSError:
        return False
    return True
