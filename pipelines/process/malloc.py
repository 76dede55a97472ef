"""Keep the memory of one batch for the next (glibc)."""

from __future__ import annotations

import ctypes

__all__ = ["HEAP_ENVIRONMENT", "keep_heap"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_TOP_PAD_BYTES = 64 << 20

HEAP_ENVIRONMENT = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 40),
    "MALLOC_TOP_PAD_": str(_TOP_PAD_BYTES),
}
"""What `keep_heap` says, for a process that is yet to start."""


def keep_heap() -> bool:
    """Tell malloc to keep freed memory instead of giving every large block back to the kernel.

    By default glibc maps each block above 32 MB afresh and unmaps it when freed, so that the kernel zeroes
    the activations of every training step and the frames of every clip page by page, again and again.
    Afterwards the process keeps the memory of its largest step until it ends.

    Returns:
        Whether the C library took it; False on systems without `mallopt`.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, -1), (_M_TOP_PAD, _TOP_PAD_BYTES))
    return all([bool(mallopt(name, value)) for name, value in settings])
