"""What is wrong with the labels and splits of a manifest or a store, as a colleague would say it."""

from __future__ import annotations

from heatpool.pool.split_findings.problems import check_split, find_split_problems

__all__ = ["check_split", "find_split_problems"]
