"""`heatpool predict`: from videos to classes."""

from __future__ import annotations

from heatpool.pipelines.options.exit_codes import CLIPS_FAILED
from heatpool.pipelines.options.predict import PredictOptions
from heatpool.pipelines.training.predict import predict

__all__ = ["run"]


def run(options: PredictOptions) -> int:
    """Print a line for every clip; return 0, or 3 when some clips failed or are truncated.

    Raises:
        HeatpoolError: if the run is not finished, the features would not fit it, or no clip gives features.
    """
    predictions = predict(options, on_prediction=lambda each: print(each, flush=True))
    bad = any(each.status in ("failed", "truncated") for each in predictions)
    return CLIPS_FAILED if bad else 0
