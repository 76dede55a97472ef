"""`heatpool evaluate`: a trained run on a part of a split, of its own store or of another one like it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from classify.checkpoint import load_model
from classify.data import load_clips
from classify.fuse import fuse_scores
from classify.predict import predict_scores
from pipelines.configs import EvaluateConfig
from pipelines.device import pick_device, set_threads
from pipelines.train import INPUTS, open_store, pick_protocol, results_table, write_part
from pool.errors import HeatpoolError

__all__ = ["run"]


def run(config: EvaluateConfig) -> int:
    """Score every stream and their fusion with the run's weights; write scores and tables; print figures.

    Raises:
        HeatpoolError: if the run is not finished, or the store does not fit it.
    """
    summary = _read_summary(config.run)
    store = open_store(config.features or Path(summary["features"]))
    protocol = pick_protocol(store, summary["protocol"])
    rows = store.rows(protocol=protocol, part=config.part)
    device = pick_device(config.device)
    set_threads(config.threads)
    out = config.out or config.run / f"evaluate-{config.part}"
    scores, figures = {}, {}
    for name in summary["streams"]:
        best = load_model(config.run / name / "checkpoints" / "best.safetensors")
        best.model.to(device)
        scores[name] = predict_scores(best, load_clips(store, rows, **INPUTS[name]))
        figures[name] = {config.part: write_part(out / name, config.part, scores[name])}
    fused = fuse_scores(scores, summary["fused"]["weights"])
    results = {
        "protocol": protocol,
        "clips": {config.part: len(rows)},
        "streams": figures,
        "fused": {config.part: write_part(out, config.part, fused)},
        "features": str(store.path.resolve()),
    }
    (out / "evaluation.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(results_table(results, part=config.part))
    return 0


def _read_summary(run: Path) -> dict[str, Any]:
    """Read what a finished training wrote.

    Raises:
        HeatpoolError: if it is not there or not of a run.
    """
    path = run / "summary.json"
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise HeatpoolError(
            f"expected a finished run in {run}, {path.name} is missing; train it first"
        ) from error
    except (OSError, ValueError) as error:
        raise HeatpoolError(f"expected the summary of a run in {path}: {error}") from error
    unknown = set(summary.get("streams", {})) - set(INPUTS)
    if unknown or not {"protocol", "features", "fused", "streams"} <= set(summary):
        raise HeatpoolError(f"expected the summary of a run in {path}, got other content")
    return summary
