"""`heatpool manifest`: the list of clips of a folder, as a CSV to look at and edit."""

from __future__ import annotations

import sys

from extract.manifest import read_folder
from pipelines.configs import ManifestConfig
from pool.errors import HeatpoolError

__all__ = ["run"]


def run(config: ManifestConfig) -> int:
    """Write the manifest and say what it holds.

    Raises:
        HeatpoolError: if the folder holds no video or the file exists already.
    """
    if not config.videos.is_dir():
        raise HeatpoolError(f"expected a folder of videos, got {config.videos}")
    if config.out.exists() and not config.overwrite:
        raise HeatpoolError(f"{config.out} exists; give --overwrite to replace it")
    manifest = read_folder(config.videos)
    try:
        manifest.write(config.out)
    except OSError as error:
        raise HeatpoolError(f"cannot write {config.out}: {error.strerror}") from error
    classes = f"{len(manifest.class_names)} classes" if manifest.class_names else "no classes"
    print(f"{config.out}: {len(manifest.clips)} clips, {classes}", file=sys.stderr)
    return 0
