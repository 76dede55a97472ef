"""The report of a run: one HTML file that opens offline."""

from __future__ import annotations

from heatpool.pipelines.report.run_report import report_run
from heatpool.pipelines.report.write import write_report

__all__ = ["report_run", "write_report"]
