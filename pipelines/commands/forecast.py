"""`heatpool forecast`: what extracting a large data set will take, and where each figure comes from."""

from __future__ import annotations

from heatpool.pipelines.extraction.forecast import forecast
from heatpool.pipelines.options import ForecastOptions

__all__ = ["run"]


def run(options: ForecastOptions) -> int:
    """Print the forecast.

    Raises:
        HeatpoolError: if the channels are unknown, or the store is of no use for it.
    """
    estimates = forecast(options)
    width = max(len(each.name) for each in estimates)
    for each in estimates:
        print(f"{each.name:<{width}}  {each.text}")
        for more in (f"= {each.formula}", each.source and f"from {each.source}"):
            if more:
                print(f"{'':<{width}}    {more}")
    return 0
