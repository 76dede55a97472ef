"""Files that people and other programs wrote: what they are, and the text that is in them."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from heatpool.pool.errors import HeatpoolError, shorten

__all__ = ["kind_of_file", "parsing", "read_text", "require_regular", "text_encoding", "undecodable"]

_KINDS = {
    b"PK\x03\x04": "a spreadsheet or an archive",  # .xlsx, .ods, and what torch.save writes
    b"\xd0\xcf\x11\xe0": "a spreadsheet",  # .xls
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"\x1f\x8b": "a gzip file",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), "a pickle"),
}
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF_32 = codecs.BOM_UTF32_LE
_START = 4096  # bytes that are looked at


@contextmanager
def parsing(path: Path, task: str) -> Iterator[None]:
    """Turn whatever the content of a file raises while it is read and taken apart into one line.

    For files whose form is ours, but which anybody may have written or cut.

    Args:
        path: of the file.
        task: what it is for, such as `read scores from`.

    Raises:
        HeatpoolError: for any other error in the block.
    """
    try:
        yield
    except HeatpoolError:
        raise
    except OSError as error:
        raise HeatpoolError(f"cannot {task} {path}: {error.strerror or error}") from error
    except Exception as error:  # parsers and look-ups of many kinds
        why = " ".join(str(error).split())[:200]  # a list of tensors can be long
        if not (isinstance(error, ValueError) or type(error) is RuntimeError):
            why = f"{type(error).__name__} {why}"
        raise HeatpoolError(f"cannot {task} {path}: {why}".rstrip()) from error


def require_regular(path: Path) -> None:
    """Raise HeatpoolError if a path leads to a pipe or a device, whose reading may never end."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise HeatpoolError(f"expected a file, {path} is a pipe or a device")


def kind_of_file(start: bytes) -> str:
    """Return what a file is that begins so, "" where that is not known."""
    return next((kind for begin, kind in _KINDS.items() if start.startswith(begin)), "")


def text_encoding(path: Path) -> str:
    """Return the encoding of a text file: UTF-8 with or without a byte order mark, or UTF-16 with one.

    Raises:
        HeatpoolError: if it is a spreadsheet, or no text.
        OSError: if it cannot be read.
    """
    require_regular(path)
    with path.open("rb") as file:
        start = file.read(_START)
    kind = kind_of_file(start)
    if kind:
        hint = ": save it as CSV (UTF-8)" if "spreadsheet" in kind else ""
        raise HeatpoolError(f"expected text, {path} is {kind}{hint}")
    if start.startswith(_UTF_16) and not start.startswith(_UTF_32):
        return "utf-16"
    if b"\0" in start:
        raise HeatpoolError(f"cannot read {path}, save it as text in UTF-8: it holds zero bytes")
    return "utf-8-sig"


def read_text(path: Path) -> str:
    """Return what a text file holds; its lines end in a line feed each, whatever they end in there.

    Raises:
        HeatpoolError: if it cannot be read, or is no UTF-8 and no UTF-16.
    """
    try:
        return path.read_text(encoding=text_encoding(path))
    except UnicodeError as error:
        raise undecodable(path) from error
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror or error}") from error


def undecodable(path: Path) -> HeatpoolError:
    """Return the error of a file that is not in its encoding, with the first line that is not."""
    lines = path.read_bytes().splitlines()
    why = "it ends within a character"  # of UTF-16
    for number, line in enumerate(lines, start=1):
        if not _is_utf_8(line):
            meant = shorten(line.decode("cp1252", "replace"))
            why = f"line {number} is in another encoding, perhaps {meant} in Windows-1252"
            break
    return HeatpoolError(f"cannot read {path}, save it as text in UTF-8: {why}")


def _is_utf_8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeError:
        return False
    return True
