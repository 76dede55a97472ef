"""The feature store and what both stages share: records, splits, pooling, resampling."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "ClipFeatures": "records",
    "ClipIndex": "records",
    "ClipResult": "records",
    "FeatureStore": "store.reader",
    "HeatpoolError": "errors",
    "Split": "records",
    "Status": "records",
    "StoreSpec": "records",
    "StoreWriter": "store.writer",
    "convert_store": "derive.convert",
    "merge_stores": "derive.merge",
    "open_store": "store.reader",
    "pack": "archive.pack",
    "subset_store": "derive.merge",
    "unpack": "archive.pack",
    "verify_store": "store.verify",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: numpy and zarr load for who needs them."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
