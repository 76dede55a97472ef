"""The one exception for everything a user can cause and can repair."""

from __future__ import annotations

__all__ = ["HeatpoolError", "shorten"]


class HeatpoolError(Exception):
    """Bad input, bad file or bad option; its text is one line that says what to do.

    The command line prints the text without a traceback and exits with 1. Programmer errors
    (wrong shape handed to a record) are `ValueError` and keep their traceback.
    """


def shorten(value: object, *, limit: int = 60) -> str:
    """`repr` of a value, cut to `limit` characters for an error line."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"
