"""`heatpool extract`: stage one."""

from __future__ import annotations

import logging

from heatpool.pipelines.extraction.places import find_places
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.options.exit_codes import CLIPS_FAILED
from heatpool.pipelines.process.units import format_bytes

__all__ = ["run"]

_log = logging.getLogger(__name__)


def run(options: ExtractOptions) -> int:
    """Extract a data set; return 0, or 3 when some clips failed or are truncated.

    Raises:
        HeatpoolError: if an option, the videos, the weights or the store are not as they must be, or no clip
            gives features.
    """
    find_places(options)  # before the imports that take seconds
    from heatpool.pipelines.extraction.run import prepare, run_extraction

    if options.dry_run:
        from heatpool.pipelines.extraction.append import plan_append
        from heatpool.pipelines.extraction.dry_run import dry_run

        plan = plan_append(options) if options.append else prepare(options)
        if plan is None:
            print(f"{options.videos or 'the demo'}: the store has all of its clips already")
            return 0
        if plan.given:
            print("\n".join((*plan.given.notes, *plan.given.wrong)))
        expected = dry_run(plan.work, plan.spec, plan.networks)
        print("\n".join(expected.lines()))
        if expected.bytes >= expected.free_bytes:
            needed, free = format_bytes(expected.bytes), format_bytes(expected.free_bytes)
            _log.warning("the store does not fit: %s needed, %s free at %s", needed, free, expected.disk)
        return 0
    return CLIPS_FAILED if run_extraction(options).failures else 0
