"""What the system did to a program, such as a full disk or too little memory, in one line with advice."""

from __future__ import annotations

import errno

from heatpool.pool.disk.files import disk_reason

__all__ = ["explain_accident"]

_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG), "make room and try again"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "see whose it is, or choose another place"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "let more files be open (ulimit -n)"),
    **dict.fromkeys((errno.ENOMEM, errno.EAGAIN), "take fewer --workers, or give it more memory"),
    errno.ENOENT: "it is away or was never there",
    errno.EIO: "look after the disk, or the server that it is on",
}
_TOO_LITTLE_MEMORY = (
    "memory ran out; what was finished is kept: take smaller batches, fewer --workers, or a larger machine"
)
_LONGEST = 500  # letters of a name that are shown
# torch has exceptions of its own for a GPU only.
_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")


def explain_accident(error: BaseException) -> str | None:
    """Return what the system refused, of which file, and what helps; None for any other error."""
    if isinstance(error, OSError):
        names = [str(name)[:_LONGEST] for name in (error.filename, error.filename2) if name is not None]
        advice = _ADVICE.get(error.errno or 0)
        what = ": ".join([*(" to ".join(names[:2]),) * bool(names), disk_reason(error)])
        return f"{what}; {advice}" if advice else what
    text = str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(sign in text for sign in _OF_MEMORY)
    ):
        return _TOO_LITTLE_MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in text:
        return "the system gives no more threads: take fewer --threads and --workers, or raise ulimit -u"
    return None
