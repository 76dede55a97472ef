"""`heatpool fuse`: a weighted sum of scores from any source."""

from __future__ import annotations

from heatpool.pipelines.options.fuse import FuseOptions
from heatpool.pipelines.training.fusion import fuse

__all__ = ["run"]


def run(options: FuseOptions) -> int:
    """Fuse, and print the figures of each source and of the fusion.

    Raises:
        HeatpoolError: if a file is damaged, clip ids or classes do not match, or no weights are to be had.
    """
    print(fuse(options))
    return 0
