"""The folder of a run of stage two: preparing it, its log, what it says of itself."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from heatpool.pipelines.runs.config import same_run
from heatpool.pool.disk.atomic import refuse_existing, write_json, write_text
from heatpool.pool.disk.json_shape import Shape, check_json
from heatpool.pool.disk.limits import parse_json, parse_yaml
from heatpool.pool.disk.text_files import parsing
from heatpool.pool.errors import HeatpoolError

__all__ = [
    "FOLDS", "SEEDS", "SPREADS", "announce", "log_line", "prepare_run_dir", "read_seed_folders", "read_seeds",
    "read_summary", "refuse_run_dir", "score_folders",
]  # fmt: skip

_log = logging.getLogger(__name__)

FOLDS = "folds.json"
SEEDS = "seeds.json"
_CONFIG = "config.yaml"
_SHARES = ("acc/top1", "acc/top5", "acc/mean_class")
_FIGURES: Shape = {...: float, **dict.fromkeys(_SHARES, float), "clips": int}
_FACTS: Shape = {
    "best_epoch?": int,
    "epochs?": int,
    "seconds?": float,
    "parameters?": int,
    "modalities?": [str],
    "val?": _FIGURES,
    "test?": _FIGURES,
}
_SUMMARY: Shape = {
    **{name: str for name in ("model", "protocol", "features")},
    "class_names": [str],
    "seed": int,
    "clips": {...: int},
    "streams": {...: _FACTS},
    "fused": {"weights": {...: float}, "val?": _FIGURES, "test?": _FIGURES},
    "notes?": [str],
    "extraction?": {
        "options?": dict,
        "spec?": {"config?": {"network?": dict}, "versions?": {...: [str]}, "backbone?": str},
    },
}
"""What is made use of; of a summary of earlier releases, too."""

_SPREAD: Shape = {"values": [float], "mean": float, "std": float, "interval": (float, float)}
SPREADS: Shape = {...: {...: dict.fromkeys((*_SHARES, "calibration/ece"), _SPREAD), "test": dict}}
"""Of figures over several trainings, by result, split and figure."""


def refuse_run_dir(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Check that a run folder may be made, resumed or replaced.

    Raises:
        HeatpoolError: if there is something, and it is no run of ours or may not be touched.
    """
    if not os.path.lexists(out) or (out.is_dir() and not any(out.iterdir())):
        return
    refuse_existing(out, overwrite or resume, resumable=True)
    if not (out / _CONFIG).is_file():
        raise HeatpoolError(f"{out} is not a run folder of heatpool; choose another --out")


def prepare_run_dir(
    out: Path, config: Mapping[str, Any], environment: Mapping[str, Any], *, resume: bool, overwrite: bool
) -> None:
    """Make a run folder with `config.yaml` and `env.json`, or take up or replace the one that is there.

    Args:
        out: the folder.
        config: all that makes the run what it is, from `describe_run`.
        environment: of the machine, from `machine`.
        resume: go on with a run of the same configuration.
        overwrite: replace a run.

    Raises:
        HeatpoolError: if neither is allowed, or the folder is no run of ours or of other options.
    """
    refuse_run_dir(out, resume=resume, overwrite=overwrite)
    written = out / _CONFIG
    plain = json.loads(json.dumps(config))
    if overwrite and written.is_file():
        shutil.rmtree(out)
    if not written.is_file():
        write_text(written, yaml.safe_dump(plain, sort_keys=False, allow_unicode=True))
    else:
        with parsing(written, "read the options of the run in"):
            same = same_run(parse_yaml(written.read_text(encoding="utf-8")), plain)
        if not same:
            raise HeatpoolError(f"{out} was begun with other options, see {written}; choose another --out")
    write_json(out / "env.json", environment, overwrite=True)


def log_line(folder: Path, text: str) -> None:
    """Append to `log.txt`, with the time; lines of several processes do not mix."""
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    lines = "".join(f"{now} {line}\n" for line in text.splitlines())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "log.txt").open("a", encoding="utf-8") as file:
        file.write(lines)


def announce(folder: Path, lines: Iterable[str], *, problems: Iterable[str] = ()) -> None:
    """Tell the user and `log.txt` what begins, and warn of problems; empty lines are left out."""
    for level, several in ((logging.INFO, lines), (logging.WARNING, problems)):
        for line in filter(None, several):
            log_line(folder, line)
            _log.log(level, "%s", line)


def read_summary(run: Path) -> dict[str, Any]:
    """Read what a finished training wrote.

    Raises:
        HeatpoolError: if it is not there or not of a run.
    """
    path = run / "summary.json"
    try:
        summary: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        check_json(summary, _SUMMARY)
        for name, result in {**summary["streams"], "fused": summary["fused"]}.items():
            if "test" in summary["clips"] and "test" not in result:  # weights that were imported have neither
                raise ValueError(f"expected figures of the test split for {name}, got none")
    except FileNotFoundError as error:
        begun = (run / _CONFIG).is_file()
        todo = "its training was interrupted: heatpool train … --resume finishes it"
        raise HeatpoolError(
            f"expected a finished run in {run}, {path.name} is missing; {todo if begun else 'train it first'}"
        ) from error
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected the summary of a run in {path}: {error}") from error
    return summary


def read_seed_folders(run: Path) -> list[Path]:
    """Return the folders of a run's seeds; of a run with one seed, that is the run folder itself.

    Raises:
        HeatpoolError: if `seeds.json` is damaged, or the folder is that of a cross-validation.
    """
    if (run / FOLDS).is_file():
        raise HeatpoolError(f"{run} holds a run for each fold: name one of them, such as {run / 'fold_1'}")
    seeds = read_seeds(run)
    return [run / f"seed_{seed}" for seed in seeds["seeds"]] if seeds else [run]


def read_seeds(run: Path) -> dict[str, Any]:
    """Read `seeds.json`, what a run with several seeds says of them; empty for one seed.

    Raises:
        HeatpoolError: if it is damaged.
    """
    path = run / SEEDS
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = parse_json(path.read_text(encoding="utf-8"))
        check_json(content, {"seeds": [int], "figures": SPREADS})
        if not content["seeds"]:
            raise ValueError("expected seeds, got none")
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected the seeds of a run in {path}: {error}") from error
    return content


def score_folders(run: Path) -> list[Path]:
    """Return the folders with a run's scores: those of its seeds; of a cross-validation, its own."""
    return [run] if (run / FOLDS).is_file() else read_seed_folders(run)
