"""Options of the commands that look at weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["WeightsListOptions", "WeightsVerifyOptions"]


@dataclass(frozen=True)
class WeightsListOptions:
    """List the official weights of every backend: AP, size, licence, SHA-256, source, and which are at hand.

    Attributes:
        format: table for people, csv or json with everything that is known
    """

    format: Literal["table", "csv", "json"] = "table"


@dataclass(frozen=True)
class WeightsVerifyOptions:
    """Check weights: SHA-256 against the published one where it is known, then load them for real.

    Attributes:
        weights: file, folder, or official name; default every official file that is at hand
    """

    weights: str | None = None
