"""`heatpool evaluate`: a trained run on train, val or test."""

from __future__ import annotations

from heatpool.pipelines.options.evaluate import EvaluateOptions
from heatpool.pipelines.training.evaluate import evaluate_run

__all__ = ["run"]


def run(options: EvaluateOptions) -> int:
    """Score a run and print its figures.

    Raises:
        HeatpoolError: if the run is not finished, or the store does not fit it.
    """
    print(evaluate_run(options))
    return 0
