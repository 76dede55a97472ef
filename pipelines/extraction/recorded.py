"""The options that made a store, for clips that are to be added to it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from heatpool.pipelines.extraction.run_file import read_run_file
from heatpool.pipelines.options import ExtractOptions
from heatpool.pipelines.options.extract import FeatureOptions
from heatpool.pipelines.options.fields import OptionError, option_table, read_value
from heatpool.pipelines.options.networks import OnnxOptions, PersonOptions, YoloOptions
from heatpool.pipelines.options.shared import WindowOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.levels import ROUNDED
from heatpool.pool.store.reader import FeatureStore

__all__ = ["as_recorded"]

_log = logging.getLogger(__name__)

_MADE_BY = (PersonOptions, OnnxOptions, YoloOptions, WindowOptions, FeatureOptions)
_MAKING = {field.name for group in _MADE_BY for field in fields(group)} - {"quiet"} | {
    "backend", "weights", "tap", "pooling", "batchnorm", "crop_aspect", "skeleton", "dtype", "runtime",
    "steps", "precision", "frame_stride", "sample_fps",
}  # fmt: skip
"""Options that decide what is stored of a clip."""


def as_recorded(options: ExtractOptions, store: FeatureStore) -> ExtractOptions:
    """Return the options with those that make features taken from a store, where they are not given.

    An option counts as given if it is not its default. Files that are not on this machine are not taken.

    Raises:
        HeatpoolError: if the store records what is no value of an option.
    """
    if store.spec.levels or ROUNDED in store.spec.config:
        raise HeatpoolError(
            f"{store.source.name}: its precision is that of heatpool convert, which no extraction writes; "
            "append to the store that it was converted from, and convert that again"
        )
    table = option_table(ExtractOptions)
    taken: dict[str, Any] = {}
    for name, recorded in _recorded(store):
        option = table[name]
        try:
            value = read_value(option, recorded, name)
        except OptionError as error:
            raise HeatpoolError(f"{store.source.name} records what cannot be: {error}") from error
        path = str(value)
        gone = option.kind in (str, Path) and os.path.isabs(path) and not os.path.exists(path)
        if getattr(options, name) == option.default != value and not gone:
            taken[name] = value
    if taken:
        words = (f"{table[name].flag} {_written(value)}".rstrip() for name, value in sorted(taken.items()))
        _log.info("as %s, where nothing else is given: %s", store.source.name, " ".join(words))
    return replace(options, **taken)


def _recorded(store: FeatureStore) -> Iterator[tuple[str, Any]]:
    """Yield what `run.json` says, or the store itself, if it came without, of the options that count."""
    spec = store.spec
    known: dict[str, Any] = read_run_file(store).get("options") or {
        "backend": spec.backbone, "tap": spec.tap.replace("+", ","), "persons": spec.persons,
        "steps": spec.steps, "precision": spec.precision, "map_mean": spec.map_mean, **spec.config,
    }  # fmt: skip
    yield from ((name, value) for name, value in known.items() if name in _MAKING)


def _written(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return "" if value is True else str(value)
