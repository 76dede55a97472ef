"""`run.json` in a store: how and where it was extracted. Facts of one machine, not part of the format."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.machine import machine
from heatpool.pool.disk.atomic import write_json
from heatpool.pool.disk.json_shape import Shape, check_json
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.reader import FeatureStore

if TYPE_CHECKING:
    from heatpool.extract.datasets.manifest import Manifest

__all__ = ["add_to_run_file", "read_run_file", "videos_root", "with_root_of", "write_run_file"]

_NAME = "run.json"
_SHAPE: Shape = {
    "options?": dict,
    "videos_root?": str,
    "throughput?": {"clips": int, "workers": {...: {"seconds": float}}},
}
"""What is made use of."""


def write_run_file(store: Path, options: ExtractOptions, *, videos_root: Path) -> None:
    """Write `run.json`: the resolved options, the machine, and the folder that clip paths start from.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    resolved = {
        key: str(value.resolve()) if isinstance(value, Path) else value
        for key, value in asdict(options).items()
    }
    for name in ("weights", "rgb_weights"):
        if resolved[name] and Path(resolved[name]).exists():
            resolved[name] = str(Path(resolved[name]).resolve())  # else it is the name of an official one
    facts = {"videos_root": str(videos_root.resolve()), "options": resolved, "machine": machine()}
    _write(store / _NAME, facts)


def add_to_run_file(store: Path, **facts: Any) -> None:
    """Add facts to the `run.json` that `write_run_file` wrote.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    path = store / _NAME
    try:
        known = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"cannot add to {path}: {error}") from error
    _write(path, {**known, **facts})


def _write(path: Path, facts: dict[str, Any]) -> None:
    try:
        write_json(path, facts, overwrite=True)
    except HeatpoolError as error:
        raise HeatpoolError(f"{error}; repair that and use --resume") from error


def read_run_file(store: FeatureStore) -> dict[str, Any]:
    """Read `run.json`; empty when the store came without it, as from somebody else.

    That of a store on another machine says nothing about this one, and is not read.

    Raises:
        HeatpoolError: if it holds something else.
    """
    if not isinstance(store.source, FolderSource):
        return {}
    path = store.path / _NAME
    try:
        facts: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        check_json(facts, _SHAPE)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected what an extraction notes in {path}: {error}") from error
    return facts


def videos_root(store: FeatureStore) -> Path | None:
    """Return the folder that the clip paths of a store start from, if it is there on this machine."""
    root = read_run_file(store).get("videos_root")
    return Path(root) if isinstance(root, str) and Path(root).is_dir() else None


def with_root_of(store: FeatureStore, manifest: Manifest) -> Manifest:
    """Return a manifest whose index names videos as the store does, by their place below the store's root."""
    root = videos_root(store)
    if root is None or root == manifest.root.resolve():
        return manifest
    clips = tuple(replace(clip, path=Path(os.path.abspath(clip.path))) for clip in manifest.clips)
    return replace(manifest, clips=clips, root=root)
