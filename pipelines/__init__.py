"""The command line and the two stages wired end to end."""

from __future__ import annotations

from heatpool.pool.exports import lazy_exports

__all__, __getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Evaluation": "training.evaluate",
        "Extraction": "extraction.run",
        "Fusion": "training.fusion",
        "Prediction": "training.prediction.records",
        "Run": "training.trained_run",
        "ablate": "training.ablation",
        "compare": "training.comparison",
        "extract": "extraction.run",
        "fuse": "training.fusion",
        "load_run": "training.trained_run",
        "main": "cli",
        "report_run": "report.run_report",
        "train": "training.run",
    },
)
