"""Folders with a file per clip: how the files are called, and when such a folder may be replaced."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError

__all__ = ["clip_file_names", "refuse_other_folder"]

_PLAIN_NAME = re.compile(r"[\w()+=@,~-][\w .()+=@,~-]*")
_MAX_NAME_BYTES = 200


def clip_file_names(
    clip_ids: Sequence[str], rows: np.ndarray, *, suffix: str, taken: Collection[str] = ()
) -> list[str]:
    """A distinct file name per clip, also where upper and lower case are the same.

    Args:
        clip_ids: n names, which a file gets where they can be one.
        rows: (n,) clip numbers, which others are called after.
        suffix: such as .npy.
        taken: other names in the folder, in lower case.
    """
    names, used = [], set(taken)
    for clip_id, row in zip(clip_ids, rows.tolist(), strict=True):
        plain = _PLAIN_NAME.fullmatch(clip_id) and len(clip_id.encode()) <= _MAX_NAME_BYTES
        name = f"{clip_id}{suffix}" if plain else f"clip_{row:08d}{suffix}"
        while name.casefold() in used:
            name = f"clip_{row:08d}_{len(used)}{suffix}"
        used.add(name.casefold())
        names.append(name)
    return names


def refuse_other_folder(
    path: str | Path, *, suffix: str, overwrite: bool, others: Collection[str] = ()
) -> None:
    """Raise HeatpoolError unless `path` is free, or a folder of such files (and `others`) to be replaced."""
    refuse_existing(path, overwrite)
    folder = Path(path)
    if folder.exists() and not (
        folder.is_dir() and all(entry.suffix == suffix or entry.name in others for entry in folder.iterdir())
    ):
        raise HeatpoolError(f"--overwrite replaces folders of {suffix} files only: {path} holds other things")
