"""Harmless files that claim far more than they hold: what they are made of.

None of them names code or breaks a reader; each is made on the spot and thrown away.
"""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "HUGE", "INFLATED", "LEVELS", "Claim", "Maker", "alias_bomb", "edit_json", "header", "zip_members",
]  # fmt: skip

HUGE = 10**12
INFLATED = 300_000_000  # bytes
LEVELS = 5_000  # of brackets in brackets


@dataclass(frozen=True)
class Claim:
    """A file and what is done with it.

    Attributes:
        kind: of file.
        says: what it claims.
        words: the command line that reads it.
    """

    kind: str
    says: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Maker:
    """Where stand-ins are made, and a store to make them of."""

    folder: Path
    store: Path

    def path(self, name: str) -> Path:
        """Return where a file of that name is made."""
        return self.folder / name

    def changed_store(self, name: str, change: Callable[[Path], None]) -> Path:
        """Make a copy of the store and change it."""
        out = self.path(name)
        shutil.copytree(self.store, out)
        change(out)
        return out


def edit_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def alias_bomb() -> str:
    """YAML of 300 bytes with 10^8 values, if all of its aliases were unfolded."""
    return "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefgh")
    )


def header(shape: tuple[int, ...], descr: str = "<f4") -> bytes:
    """An `.npy` file without values."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()


def zip_members(path: Path, members: dict[str, bytes | int]) -> Path:
    """A zip of members, or of so many zeros after an `.npy` header of as many bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in members.items():
            with archive.open(name, "w", force_zip64=True) as member:
                if isinstance(content, bytes):
                    member.write(content)
                    continue
                member.write(header((content,), "|u1"))
                for _ in range(content // 1_000_000):
                    member.write(bytes(1_000_000))
    return path
