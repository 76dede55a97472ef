"""`heatpool convert`: a store once more, in another precision or the newest version of the format."""

from __future__ import annotations

import logging

from heatpool.pipelines.options import ConvertOptions
from heatpool.pipelines.process.progress import Progress
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.disk.atomic import refuse_existing
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: ConvertOptions) -> int:
    """Convert a store.

    Raises:
        HeatpoolError: if it has this precision and version already, is damaged, the run does not fit it, or
            the output cannot be made.
    """
    refuse_existing(options.out, options.overwrite)
    store = FeatureStore.open(options.store)
    precision = _precision_like(options) if options.like_accuracy else options.precision
    with Progress("convert", len(store), "clips", quiet=options.quiet) as progress:
        convert_store(
            store, options.out, precision=precision, overwrite=options.overwrite, on_clips=progress.step
        )
    made = FeatureStore.open(options.out)
    before, after = (sum(each.bytes_by_array().values()) for each in (store, made))
    _log.info(f"{options.out}: {after:,} bytes, {before:,} before")
    return 0


def _precision_like(options: ConvertOptions) -> str:
    """Print how a run's accuracy changes with the error; return the coarsest precision that keeps it."""
    from heatpool.pipelines.training.accuracy_curve import ERRORS, LEAST_CLIPS, trace_accuracy
    from heatpool.pipelines.training.relabel import open_run_store

    run = options.like_accuracy
    assert run is not None
    store = open_run_store(run, options.store)
    with Progress("accuracy", 1 + len(ERRORS), "precisions", quiet=options.quiet) as progress:
        curve = trace_accuracy(run, store, device=options.device, on_point=lambda: progress.step(1))
    print(curve)
    if curve.clips < LEAST_CLIPS:
        raise HeatpoolError(
            f"expected at least {LEAST_CLIPS} val clips to tell whether accuracy falls, got {curve.clips}; "
            "name a --precision"
        )
    sure = f"with 95 % certainty accuracy falls by at most {100 * curve.tolerance:.1f} points"
    if not (error := curve.coarsest.error):
        raise HeatpoolError(
            f"expected an error with which {sure}, got none from {ERRORS[0]:.1%} on: keep the store as it "
            "is, or name a --precision"
        )
    precision = f"error:{100 * error:g}%"
    print(f"taken: {precision}, the coarsest up to which {sure}")
    return precision
