"""Checks that several configurations share."""

from __future__ import annotations

__all__ = ["require_at_least"]


def require_at_least(config: object, least: float, *names: str) -> None:
    """Raise ValueError unless the named options are at least `least`."""
    for name in names:
        value = getattr(config, name)
        if value < least:
            raise ValueError(f"expected --{name.replace('_', '-')} of at least {least:g}, got {value:g}")
