"""Options of the commands that look at weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from heatpool.pipelines.options.shared import Options

__all__ = ["WeightsListOptions", "WeightsVerifyOptions"]


@dataclass(frozen=True)
class WeightsListOptions(Options):
    """List the official weights of every backend.

    AP, size, licence, SHA-256, source, and which are available locally.

    Attributes:
        format: table for people, csv or json with everything that is known
    """

    format: Literal["table", "csv", "json"] = "table"


@dataclass(frozen=True)
class WeightsVerifyOptions(Options):
    """Check weights by their hash and by loading them.

    SHA-256 against the published one where it is known.

    Attributes:
        weights: file, folder, or official name; default every official file that is available locally
    """

    weights: str | None = None
