"""How much memory this process has held at most."""

from __future__ import annotations

from pathlib import Path

__all__ = ["largest_resident_mb"]


def largest_resident_mb() -> float:
    """Largest resident size in MiB since the process began (Linux).

    `getrusage` would count that of its parent from before it was replaced.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
