"""What the files of a run folder say, for its report."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.classify.scores.scores import ClipScores, align_scores, load_scores
from heatpool.classify.scores.shares import correct_share
from heatpool.pipelines.runs.run_dir import SEEDS, read_seed_folders, read_seeds, read_summary
from heatpool.pool.disk.limits import parse_json
from heatpool.pool.errors import HeatpoolError

__all__ = ["FUSED", "RunFiles", "StreamRecord", "read_run_files"]

FUSED = "fused"
"""Name of the fusion beside those of the streams."""


@dataclass(frozen=True, eq=False)
class StreamRecord:
    """How one stream was trained.

    Attributes:
        name: such as pooled_joint.
        curves: columns of metrics.csv by name, one value per epoch.
        best_epoch: epoch whose weights were scored, as metrics.csv counts.
        facts: what summary.json says of the stream besides (seconds, parameters, ...).
    """

    name: str
    curves: Mapping[str, tuple[float, ...]]
    best_epoch: int | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class RunFiles:
    """What the files of a run folder hold.

    Attributes:
        folder: of the run; of several seeds, everything but `seeds` is of the first one.
        base: where the scores are: the run folder, or that of the first seed.
        protocol: name of the split.
        streams: at least one.
        test: scores of the test split by name, the streams' and then `fused`, in one clip order.
        val: those of the val split, as far as there are any.
        weights: fusion weight by stream; empty where nothing was fused.
        summary: summary.json.
        config_text: config.yaml, "" without.
        environment: env.json, empty without.
        seeds: seeds.json, empty for one seed.
    """

    folder: Path
    base: Path
    protocol: str
    streams: tuple[StreamRecord, ...]
    test: Mapping[str, ClipScores]
    val: Mapping[str, ClipScores]
    weights: Mapping[str, float]
    summary: Mapping[str, Any]
    config_text: str
    environment: Mapping[str, Any]
    seeds: Mapping[str, Any]

    @property
    def main_name(self) -> str:
        """The result that comes first: `fused`, else the stream that is best on val (never on test)."""
        if FUSED in self.test:
            return FUSED
        return max(
            self.test, key=lambda name: correct_share(self.val[name]).share if name in self.val else -1
        )

    @property
    def tables(self) -> dict[str, list[Path]]:
        """The CSV files of each result, the fusion's first, by name."""
        places = {FUSED: self.base} if FUSED in self.test else {}
        places |= {stream.name: self.base / stream.name for stream in self.streams}
        return {name: sorted(place.glob("*.csv")) for name, place in places.items()}


def read_run_files(folder: Path) -> RunFiles:
    """Read the run folder that `heatpool train` writes.

    Raises:
        HeatpoolError: if there is no summary, a file is damaged, or the streams' clips do not match.
    """
    base = read_seed_folders(folder)[0]
    summary = read_summary(base)
    streams = summary["streams"]
    fused = summary["fused"] if len(streams) > 1 else {}  # of one stream it is the stream
    weights = fused.get("weights", {})
    if not streams:
        raise HeatpoolError(f"expected streams in {base / 'summary.json'}, it names none")
    places = {name: base / name for name in streams} | ({FUSED: base} if fused else {})
    test = align_scores({name: load_scores(place / "scores_test.npz") for name, place in places.items()})
    next(iter(test.values())).require_labels(f"cannot report {folder}")
    val = {name: place / "scores_val.npz" for name, place in places.items()}
    val_scores = {name: load_scores(path) for name, path in val.items() if path.is_file()}
    config = folder / "config.yaml"
    return RunFiles(
        folder=folder,
        base=base,
        protocol=summary["protocol"],
        streams=tuple(_read_stream(base / name, facts) for name, facts in streams.items()),
        test=test,
        val={name: scores for name, scores in val_scores.items() if len(scores)},
        weights=weights,
        summary=summary,
        config_text=config.read_text(encoding="utf-8", errors="replace") if config.is_file() else "",
        environment=_json_if_any(folder / "env.json"),
        seeds=_read_seeds(folder, test),
    )


def _read_seeds(folder: Path, results: Iterable[str]) -> dict[str, Any]:
    seeds = read_seeds(folder)
    if seeds and (lacks := sorted(set(results) - set(seeds["figures"]))):
        raise HeatpoolError(f"expected figures of {lacks[0]} in {folder / SEEDS}, got none")
    return seeds


def _read_stream(folder: Path, facts: Mapping[str, Any]) -> StreamRecord:
    return StreamRecord(folder.name, _read_curves(folder / "metrics.csv"), facts.get("best_epoch"), facts)


def _read_curves(path: Path) -> dict[str, tuple[float, ...]]:
    """Columns of metrics.csv; a value that was not measured is NaN."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        curves = {name: tuple(float(row[name] or "nan") for row in rows) for name in reader.fieldnames or ()}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
        raise HeatpoolError(f"expected the metrics of a training, cannot read {path}: {error}") from error
    if not curves.get("epoch"):
        raise HeatpoolError(f"expected epochs in {path}, got none")
    return curves


def _json_if_any(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise HeatpoolError(f"expected a JSON object in {path}, got {type(content).__name__}")
    return content
