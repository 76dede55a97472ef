"""The folder of a run of stage two: claiming it, its log, its JSON files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from heatpool.classify.training.checkpoint import write_atomic
from heatpool.pipelines.extraction.run_file import machine
from heatpool.pool.errors import HeatpoolError

__all__ = ["SEEDS", "claim", "log_line", "read_seed_folders", "read_summary", "write_json"]

SEEDS = "seeds.json"


def claim(out: Path, resolved: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
    """Make a run folder, or check that the one that is there may be gone on with or replaced.

    Args:
        out: the folder.
        resolved: all that makes the run what it is; goes into config.yaml.
        resume: go on with a run of the same options.
        overwrite: replace a run.

    Raises:
        HeatpoolError: if neither is allowed, or the folder is no run of ours or of other options.
    """
    plain = json.loads(json.dumps(resolved))
    written = out / "config.yaml"
    if out.exists() and any(out.iterdir()):
        if not resume and not overwrite:
            raise HeatpoolError(f"{out} exists; go on with --resume or replace it with --overwrite")
        if not written.is_file():
            raise HeatpoolError(f"{out} is not a run folder of heatpool; choose another --out")
        if overwrite:
            shutil.rmtree(out)
        elif yaml.safe_load(written.read_text(encoding="utf-8")) != plain:
            raise HeatpoolError(f"{out} was begun with other options, see {written}; choose another --out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        written.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise HeatpoolError(f"cannot write {out}: {error.strerror}") from error
    write_json(out / "env.json", machine())


def log_line(folder: Path, text: str) -> None:
    """Append to `log.txt`, with the time; lines of several processes do not mix."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    lines = "".join(f"{now} {line}\n" for line in text.splitlines())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(lines)


def read_summary(run: Path) -> dict[str, Any]:
    """Read what a finished training wrote.

    Raises:
        HeatpoolError: if it is not there or not of a run.
    """
    path = run / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        begun = (run / "config.yaml").is_file()
        todo = "its training was interrupted: heatpool train … --resume finishes it"
        raise HeatpoolError(
            f"expected a finished run in {run}, {path.name} is missing; {todo if begun else 'train it first'}"
        ) from error
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected the summary of a run in {path}: {error}") from error
    if not isinstance(summary, dict) or not {"protocol", "features", "fused", "streams"} <= set(summary):
        raise HeatpoolError(f"expected the summary of a run in {path}, got other content")
    return summary


def read_seed_folders(run: Path) -> list[Path]:
    """Return the folders of a run's seeds; of a run with one seed, that is the run folder itself.

    Raises:
        HeatpoolError: if `seeds.json` is damaged.
    """
    path = run / SEEDS
    if not path.is_file():
        return [run]
    try:
        return [run / f"seed_{int(seed)}" for seed in json.loads(path.read_text(encoding="utf-8"))["seeds"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HeatpoolError(f"expected the seeds of a run in {path}: {error!r}") from error


def write_json(path: Path, content: object) -> None:
    """Write indented JSON, whole or not at all."""
    write_atomic(path, (json.dumps(content, indent=1) + "\n").encode())
