"""What the system did to a program, such as a full disk or too little memory, in one line with advice."""

from __future__ import annotations

import errno

from heatpool.pool.disk.files import disk_reason

__all__ = ["explain_accident", "is_out_of_memory"]

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
# Libraries have no exception of their own for it, but for torch on a GPU. By whom: torch's allocator on a
# CPU, on two systems; onnxruntime; torch, CUDA's kernels, Apple's GPUs; cuBLAS; cuDNN before 9 and since.
_OF_MEMORY = (
    "not enough memory",
    "can't allocate memory",
    "Failed to allocate memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "DEVICE_ALLOCATION_FAILED",
)


def explain_accident(error: BaseException) -> str | None:
    """Return what the system refused, of which file, and what helps; None for any other error."""
    if isinstance(error, OSError):
        names = [str(name)[:_LONGEST] for name in (error.filename, error.filename2) if name is not None]
        advice = _ADVICE.get(error.errno or 0)
        what = ": ".join([*(" to ".join(names[:2]),) * bool(names), disk_reason(error)])
        return f"{what}; {advice}" if advice else what
    if isinstance(error, MemoryError | RuntimeError) and is_out_of_memory(error):
        return _TOO_LITTLE_MEMORY
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "the system gives no more threads: take fewer --threads and --workers, or raise ulimit -u"
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, of the machine or a device."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in _OF_MEMORY)
