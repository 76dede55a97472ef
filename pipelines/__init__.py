"""The command line and the two stages wired end to end."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "Evaluation": "training.evaluate",
    "Extraction": "extraction.run",
    "Fusion": "training.fusion",
    "Prediction": "training.predict",
    "Run": "training.trained_run",
    "ablate": "training.ablation",
    "compare": "training.comparison",
    "extract": "extraction.run",
    "fuse": "training.fusion",
    "load_run": "training.trained_run",
    "main": "cli",
    "report_run": "report.run_report",
    "train": "training.run",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: a command loads what it runs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
