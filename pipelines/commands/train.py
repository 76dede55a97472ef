"""`heatpool train`: stage two."""

from __future__ import annotations

from heatpool.classify.training.ranks import is_first_process
from heatpool.pipelines.options.train import TrainOptions
from heatpool.pipelines.training.run import train_run

__all__ = ["run"]


def run(options: TrainOptions) -> int:
    """Train the streams of a store, and print their figures and where the report is.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, or the run folder exists.
    """
    done = train_run(options)
    if is_first_process():  # of several that torchrun started
        print(f"{done}\nreport: {done.report}")
    return 0
