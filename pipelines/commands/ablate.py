"""`heatpool ablate`: the same head on each kind of features that a store holds, as a table."""

from __future__ import annotations

from heatpool.pipelines.options.ablate import AblateOptions
from heatpool.pipelines.training.ablation import ablate

__all__ = ["run"]


def run(options: AblateOptions) -> int:
    """Train every kind of features with every seed, and print the table.

    Raises:
        HeatpoolError: if store, split, labels or options do not allow it, there is nothing to compare, or the
            folder exists.
    """
    print(ablate(options))
    return 0
