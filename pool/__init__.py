"""The feature store and what both stages share: records, splits, pooling, resampling."""

from __future__ import annotations

from heatpool.pool.exports import lazy_exports

__all__, __getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "ClipFeatures": "records",
        "ClipIndex": "records",
        "ClipResult": "records",
        "FeatureStore": "store.reader",
        "HeatpoolError": "errors",
        "Skeleton": "skeleton",
        "Split": "records",
        "Status": "records",
        "StoreSpec": "store.spec",
        "StoreWriter": "store.writer",
        "append_store": "derive.remake",
        "convert_store": "derive.convert",
        "merge_stores": "derive.merge",
        "open_store": "store.reader",
        "pack": "archive.pack",
        "relabel_store": "derive.remake",
        "subset_store": "derive.merge",
        "unpack": "archive.pack",
        "verify_store": "store.verify",
    },
)
