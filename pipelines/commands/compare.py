"""`heatpool compare`: is a run better than the first, and how sure is that."""

from __future__ import annotations

from heatpool.pipelines.options.compare import CompareOptions
from heatpool.pipelines.training.comparison import compare

__all__ = ["run"]


def run(options: CompareOptions) -> int:
    """Print the paired differences of runs with their intervals, and McNemar's test; write the page of them.

    Raises:
        HeatpoolError: if scores are missing, clips do not match or the column is not known.
    """
    print(compare(options))
    return 0
