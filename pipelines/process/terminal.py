"""Text of others on a terminal: names of clips and classes must not move its cursor or colour its lines."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from typing import TextIO, cast

__all__ = ["plain_output", "plain_text"]

_CONTROLS = {*range(32), *range(127, 160)} - {ord("\n"), ord("\t")}
_DIRECTIONS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A)}  # which make text look like other text
_ESCAPED = {code: ascii(chr(code))[1:-1] for code in _CONTROLS | _DIRECTIONS}


def plain_text(text: str) -> str:
    """Return a text whose control characters are written out, but for ends of lines and tabs."""
    return text.translate(_ESCAPED)


@contextmanager
def plain_output() -> Iterator[None]:
    """Print plain text within the block, with letters that stdout does not know written out."""
    with redirect_stdout(cast(TextIO, _Plain(sys.stdout))):
        yield


class _Plain(TextIOBase):
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding or "utf-8"
        known = plain_text(text).encode(encoding, "backslashreplace").decode(encoding)
        self._stream.write(known)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def fileno(self) -> int:
        return self._stream.fileno()

    def isatty(self) -> bool:
        return self._stream.isatty()
