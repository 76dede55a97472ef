"""What `python -m benchmarks.versions` prints: how far features moved, and where they did not come."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.versions import Change, row
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec

SPEC = make_spec(persons=1, steps=2, joints=1, channels=2)


def store(path: Path, vectors: list[list[float]]) -> FeatureStore:
    """Two clips: one with these vectors (step, channel), one that failed."""
    pooled = np.float32(vectors).reshape(1, 2, 1, 2)
    clip = ClipFeatures(
        pooled=pooled,
        keypoints=np.zeros((1, 2, 1, 3), np.float32),
        boxes=np.zeros((1, 2, 4), np.float32),
        mask=np.ones((1, 2), bool),
        time_s=np.zeros(2, np.float32),
    )
    results = [ClipResult(Status.OK, 2, 25.0, 64, 48, 1), ClipResult(Status.FAILED, reason="no video")]
    with StoreWriter.create(path, spec=SPEC, index=make_index(2)) as writer:
        writer.write_shard(0, [clip, None], results)
        writer.finish()
    return FeatureStore.open(path)


def test_changes_are_shares_of_the_features(tmp_path: Path) -> None:
    before = store(tmp_path / "before.zarr", [[3, 4], [0, 12]])  # of length 5 and 12, 13 together
    after = store(tmp_path / "after.zarr", [[3, 4], [5, 0]])  # the second moved by 13
    change = Change.of(before, after, 0)
    assert change is not None
    assert (change.clip, change.joint) == pytest.approx((1.0, 13 / 12))
    assert Change.of(before, before, 0) == Change(0.0, 0.0)
    assert row("av==1", before, after, network="a.pt") == "| av==1 | a.pt | 100.00%, 108.3% | no video |"
    assert row("av==1", before, "no such codec", network="a.pt").endswith("| does not run: no such codec |")
