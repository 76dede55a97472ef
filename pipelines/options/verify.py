"""Options of `heatpool verify`."""

from __future__ import annotations

from dataclasses import dataclass

from heatpool.pipelines.options.shared import QuietOptions

__all__ = ["VerifyOptions"]


@dataclass(frozen=True)
class VerifyOptions(QuietOptions):
    """Compare every file of a feature store with its hash.

    Changes nothing. Exit code 0: all is there and intact; 1: shards are damaged or missing, extract --resume
    writes them again. At an address the files are looked at that the store's records name.

    Attributes:
        store: feature store, archive or address
    """

    store: str
