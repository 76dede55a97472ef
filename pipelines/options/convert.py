"""Options of `heatpool convert`."""

from __future__ import annotations

import re
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from heatpool.pipelines.options.fields import OptionError
from heatpool.pipelines.options.shared import DeviceOptions, OutputOptions

__all__ = ["ConvertOptions"]


@dataclass(frozen=True)
class ConvertOptions(DeviceOptions, OutputOptions):
    """Write a feature store again: other precision or newest format.

    Attributes:
        store: feature store, archive or address
        out: store to write
        precision: f2 = float16; u1 = a byte per value, 256 levels per clip, person and channel;
            error:2% = whole numbers in the coarsest equal steps of that relative error, which xarray decodes
            by itself; float16:2% = float16 in steps of a power of two, which need no decoding. Without it and
            without --like-accuracy a store of an older version of the format is written in the newest one,
            its features as they are stored
        like_accuracy: run trained on these features: print how its accuracy on val changes with the error,
            and take the coarsest error:… up to which, with 95 % certainty, accuracy falls by no more than a
            point; of fewer than 163 val clips, by no more than they can tell where hardly an answer changes
            (1.6 of 100 clips, 4.8 of 32); fewer than 31 are refused
    """

    store: str
    out: Path
    _: KW_ONLY
    precision: str | None = None
    like_accuracy: Path | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.precision and self.like_accuracy:
            raise OptionError("expected --precision or --like-accuracy, got both")
        if self.precision and not re.fullmatch(r"f2|u1|(error|float16):[0-9.]+%", self.precision):
            raise OptionError(f"expected --precision f2, u1, error:2% or float16:2%, got {self.precision!r}")
