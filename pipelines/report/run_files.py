"""What the files of a run folder say, for its report."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from heatpool.classify.scores.scores import ClipScores, align_scores, load_scores
from heatpool.pipelines.runs.run_dir import SEEDS, read_seed_folders
from heatpool.pool.errors import HeatpoolError

__all__ = ["RunFiles", "StreamRecord", "read_run_files"]


@dataclass(frozen=True, eq=False)
class StreamRecord:
    """One trained stream.

    Attributes:
        name: such as pooled_joint.
        curves: columns of metrics.csv by name, one value an epoch.
        best_epoch: epoch whose weights were scored, as metrics.csv counts.
        test: scores of the test split.
        val: scores of the val split, None without one.
        facts: what summary.json says of the stream besides (seconds, parameters, ...).
    """

    name: str
    curves: Mapping[str, tuple[float, ...]]
    best_epoch: int | None
    test: ClipScores
    val: ClipScores | None
    facts: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class RunFiles:
    """What the files of a run folder hold.

    Attributes:
        folder: of the run; of several seeds, everything but `seeds` is of the first one.
        protocol: name of the split.
        streams: at least one, test scores in one clip order.
        fused_test: scores of the fusion in that order, None where nothing was fused.
        fused_val: the same of val.
        weights: fusion weight by stream; empty where nothing was fused.
        summary: summary.json.
        config_text: config.yaml, "" without.
        environment: env.json, empty without.
        seeds: seeds.json, empty for one seed.
    """

    folder: Path
    protocol: str
    streams: tuple[StreamRecord, ...]
    fused_test: ClipScores | None
    fused_val: ClipScores | None
    weights: Mapping[str, float]
    summary: Mapping[str, Any]
    config_text: str
    environment: Mapping[str, Any]
    seeds: Mapping[str, Any]

    @property
    def main_name(self) -> str:
        """The result that comes first: `fused`, else the stream that is best on val (never on test)."""
        if self.fused_test is not None:
            return "fused"
        return max(self.streams, key=lambda stream: _top1(stream.val)).name

    @property
    def test_scores(self) -> dict[str, ClipScores]:
        """Scores of the test split by name: the streams, then `fused`."""
        scores = {stream.name: stream.test for stream in self.streams}
        return scores if self.fused_test is None else scores | {"fused": self.fused_test}

    @property
    def val_scores(self) -> dict[str, ClipScores]:
        """Scores of the val split by name, as far as there are any."""
        named = {stream.name: stream.val for stream in self.streams} | {"fused": self.fused_val}
        return {name: scores for name, scores in named.items() if scores is not None}


def read_run_files(folder: Path) -> RunFiles:
    """Read the run folder that `heatpool train` writes.

    Raises:
        HeatpoolError: if there is no summary, a file is damaged, or the streams' clips do not match.
    """
    base = read_seed_folders(folder)[0]
    summary = _read_json(base / "summary.json", missing="train first")
    try:
        protocol, names = str(summary["protocol"]), tuple(summary["streams"])
        fused = (summary.get("fused") or {}) if len(names) > 1 else {}  # one stream's fusion is the stream
        weights = {str(name): float(weight) for name, weight in (fused.get("weights") or {}).items()}
        if not names:
            raise ValueError("it names no stream")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HeatpoolError(
            f"expected a summary of heatpool train in {base / 'summary.json'}: {error!r}"
        ) from error
    tests = {name: load_scores(base / name / "scores_test.npz") for name in names}
    if fused:
        tests["fused"] = load_scores(base / "scores_test.npz")
    tests = align_scores(tests)
    first = tests[names[0]]
    if len(first) == 0 or (first.labels < 0).any():
        unknown = int((first.labels < 0).sum())
        raise HeatpoolError(
            f"expected labelled test clips in {folder}, got {unknown} of {len(first)} without label"
        )
    return RunFiles(
        folder=folder,
        protocol=protocol,
        streams=tuple(
            _read_stream(base / name, summary["streams"][name] or {}, tests[name]) for name in names
        ),
        fused_test=tests.get("fused"),
        fused_val=_scores_if_any(base / "scores_val.npz") if fused else None,
        weights=weights,
        summary=summary,
        config_text=_text_if_any(folder / "config.yaml"),
        environment=_read_json(folder / "env.json") if (folder / "env.json").is_file() else {},
        seeds=_read_json(folder / SEEDS) if (folder / SEEDS).is_file() else {},
    )


def _read_stream(folder: Path, facts: Mapping[str, Any], test: ClipScores) -> StreamRecord:
    best = facts.get("best_epoch")
    return StreamRecord(
        name=folder.name,
        curves=_read_curves(folder / "metrics.csv"),
        best_epoch=None if best is None else int(best),
        test=test,
        val=_scores_if_any(folder / "scores_val.npz"),
        facts=facts,
    )


def _read_curves(path: Path) -> dict[str, tuple[float, ...]]:
    """Columns of metrics.csv; a value that was not measured is NaN."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
        names = reader.fieldnames or []
        return {name: tuple(float(row[name] or "nan") for row in rows) for name in names}
    except (OSError, UnicodeDecodeError, csv.Error, ValueError, TypeError) as error:
        raise HeatpoolError(f"expected the metrics of a training, cannot read {path}: {error}") from error


def _scores_if_any(path: Path) -> ClipScores | None:
    return load_scores(path) if path.is_file() else None


def _text_if_any(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def _read_json(path: Path, *, missing: str = "") -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HeatpoolError(f"expected a run of heatpool train, {path} does not exist; {missing}") from error
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"cannot read {path}: {error}") from error
    if not isinstance(content, dict):
        raise HeatpoolError(f"expected a JSON object in {path}, got {type(content).__name__}")
    return content


def _top1(scores: ClipScores | None) -> float:
    if scores is None or not len(scores):
        return -1.0
    return float((scores.scores.argmax(1) == scores.labels).mean())
