"""Taps: the named inner maps of a network that are pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from heatpool.pool.errors import HeatpoolError

__all__ = ["check_taps"]


def check_taps(taps: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """Return the taps; raise HeatpoolError unless there is one and the network has them all."""
    names = tuple(known)
    unknown = [tap for tap in taps if tap not in names]
    if unknown or not taps:
        raise HeatpoolError(f"expected --tap out of {', '.join(names)}, got {', '.join(unknown) or 'none'}")
    return tuple(taps)
