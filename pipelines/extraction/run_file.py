"""`run.json` in a store: how and where it was extracted. Facts of one machine, not part of the format."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.process.device import available_cores
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.reader import FeatureStore

__all__ = ["add_to_run_file", "file_sha256", "machine", "read_run_file", "videos_root", "write_run_file"]

_NAME = "run.json"


def machine() -> dict[str, Any]:
    """Return what decides speed and float noise: processor, cores, GPU, versions."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "gpus": gpus,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
    }


def write_run_file(store: Path, config: ExtractOptions, *, videos_root: Path) -> None:
    """Write `run.json`: the resolved options, the machine, and the folder that clip paths start from.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    options = {
        key: str(value.resolve()) if isinstance(value, Path) else value
        for key, value in asdict(config).items()
    }
    for name in ("weights", "rgb_weights"):
        if options[name] and Path(options[name]).exists():
            options[name] = str(Path(options[name]).resolve())  # else it is the name of an official one
    facts = {"videos_root": str(videos_root.resolve()), "options": options, "machine": machine()}
    _write(store / _NAME, facts)


def add_to_run_file(store: Path, **facts: Any) -> None:
    """Add facts to the `run.json` that `write_run_file` wrote.

    Raises:
        HeatpoolError: if it cannot be written.
    """
    path = store / _NAME
    known = json.loads(path.read_text(encoding="utf-8"))
    _write(path, {**known, **facts})


def _write(path: Path, facts: dict[str, Any]) -> None:
    aside = path.with_name(f"{path.name}.new")
    try:
        aside.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
        os.replace(aside, path)  # a full disk must not leave half of it
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise HeatpoolError(f"cannot write {path} ({error.strerror}); mend that and use --resume") from error


def read_run_file(store: FeatureStore) -> dict[str, Any]:
    """Read `run.json`; empty when the store came without it, as from somebody else.

    That of a store on another machine says nothing about this one, and is not read.
    """
    if not isinstance(store.source, FolderSource):
        return {}
    path = store.path / _NAME
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected JSON in {path}: {error}") from error
    return facts if isinstance(facts, dict) else {}


def videos_root(store: FeatureStore) -> Path | None:
    """Return the folder that the clip paths of a store start from, if it is there on this machine."""
    root = read_run_file(store).get("videos_root")
    return Path(root) if isinstance(root, str) and Path(root).is_dir() else None


def file_sha256(path: Path) -> str:
    """Return the hex digest of a file.

    Raises:
        HeatpoolError: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise HeatpoolError(f"cannot read {path}: {error.strerror}") from error


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
