"""Whatever goes into a store comes out of it: exactly in f2, within half a level in u1."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.layout import FEATURE_NAMES
from heatpool.pool.store.quantise import dequantise, quantise
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import Precision
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_features, make_index, make_spec

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
identifiers = st.one_of(text, st.text("äé漢🏃a b/\\,\"'\n", min_size=300, max_size=300))
halves = st.floats(-65504, 65504, width=16)


def allowed_error(pooled: np.ndarray) -> np.ndarray:
    """(..., 1, 1, C): half a level, whose value is rounded upwards to float16, and float16's own rounding."""
    values = pooled.astype(np.float64)
    span = (values.max((-3, -2)) - values.min((-3, -2)))[..., None, None, :]
    level = np.maximum(span / 255 * (1 + 2**-10), 2.0**-24 * (span > 0))
    return level / 2 * (1 + 1e-5) + np.maximum(np.abs(values) * 2**-11, 2.0**-25)


@settings(max_examples=150, deadline=None)
@given(pooled=hnp.arrays(np.float16, hnp.array_shapes(min_dims=3, max_dims=4, max_side=5), elements=halves))
def test_quantised_values_are_within_half_a_level(pooled: np.ndarray) -> None:
    differences, scale, offset = quantise(pooled)
    assert (differences.dtype, scale.dtype, offset.dtype) == (np.uint8, np.float16, np.float16)
    assert np.isfinite(scale).all()
    got = dequantise(differences, scale, offset)
    assert got.dtype == np.float16
    assert (np.abs(got.astype(np.float64) - pooled) <= allowed_error(pooled)).all()
    # The least value of each channel, so the zero of a ReLU, and constant channels come back exactly.
    least = pooled == pooled.min((-3, -2), keepdims=True)
    np.testing.assert_array_equal(got[least], pooled[least])


def test_quantised_values_by_hand() -> None:
    """Levels 0, 255, 51 of 0.5 each from offset -10: differences 0, 255, 52 (= 51 - 255 modulo 256)."""
    pooled = np.float16([-10, 117.5, 15.5]).reshape(3, 1, 1)
    differences, scale, offset = quantise(pooled)
    assert differences.ravel().tolist() == [0, 255, 52]
    assert (scale.item(), offset.item()) == (0.5, -10)
    np.testing.assert_array_equal(dequantise(differences, scale, offset), pooled)
    assert [a.any() for a in quantise(np.zeros((4, 2, 3), np.float16))] == [False, False, False]


@pytest.mark.parametrize("precision", ["f2", "u1"])
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_round_trip_of_any_store(precision: Precision, data: st.DataObject) -> None:
    draw = data.draw
    clips = draw(st.integers(0, 7), label="clips")
    sizes = {name: draw(st.integers(1, 4), label=name) for name in ("persons", "steps", "joints", "channels")}
    spec = make_spec(**sizes, licence=draw(text), precision=precision)
    column = st.lists(text, min_size=clips, max_size=clips).map(tuple)
    index = ClipIndex(
        clip_id=tuple(draw(st.lists(identifiers, min_size=clips, max_size=clips, unique=True))),
        path=tuple(draw(st.lists(identifiers, min_size=clips, max_size=clips))),
        label=np.array(draw(st.lists(st.integers(-1, 2), min_size=clips, max_size=clips)), np.int32),
        class_names=tuple(draw(st.lists(text, min_size=3, max_size=3))),
        columns={"subject": draw(column), "light": draw(column)},
        splits={
            "x-sub": np.array(draw(st.lists(st.integers(0, 3), min_size=clips, max_size=clips)), np.uint8)
        },
    )
    features = [_draw_features(draw, spec, row) for row in range(clips)]
    persons = [int(clip.mask.any(1).sum()) for clip in features]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None) as folder:
        path = Path(folder, "a.zarr")
        writer = StoreWriter.create(path, spec=spec, index=index, shard_clips=draw(st.integers(1, 8)))
        results = [
            ClipResult(Status.OK if count else Status.NO_PERSON, 9, 12.5, 8, 6, count, draw(text))
            for count in persons
        ]
        for shard in writer.pending_shards():
            rows = slice(writer.shard_rows(shard).start, writer.shard_rows(shard).stop)
            writer.write_shard(shard, features[rows], results[rows])
        writer.finish()
        assert verify_store(path).intact
        store = FeatureStore.open(path)
        assert store.spec == spec
        for found in (store.clips.index, store.clips.index_of(range(clips))):
            assert (found.clip_id, found.path) == (index.clip_id, index.path)
            assert (found.columns, found.class_names) == (index.columns, index.class_names)
            np.testing.assert_array_equal(found.label, index.label)
            np.testing.assert_array_equal(found.splits["x-sub"], index.splits["x-sub"])
        assert store.results(range(clips)) == results
        _check_features(store, features)


def _draw_features(draw, spec, row: int) -> ClipFeatures:
    """Features whose pooled values are any float16, negative ones too."""
    clip = make_features(spec, row, draw(st.integers(0, spec.persons)))
    values = draw(hnp.arrays(np.float16, clip.pooled.shape, elements=halves, fill=st.just(np.float16(1.5))))
    return replace(clip, pooled=values.astype(np.float32) * clip.mask.any(1)[:, None, None, None])


def _check_features(store: FeatureStore, features: list[ClipFeatures]) -> None:
    got = store.read(range(len(features)), FEATURE_NAMES)
    for name in FEATURE_NAMES:
        for clip, found in zip(features, got[name], strict=True):
            want = getattr(clip, name).astype(found.dtype)
            if name == "pooled" and store.spec.precision == "u1":
                assert (np.abs(found.astype(np.float64) - want) <= allowed_error(want)).all()
            else:
                np.testing.assert_array_equal(found, want, err_msg=name)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("precision", ["f2", "u1"])
def test_what_is_not_finite_is_refused(tmp_path: Path, precision: Precision, bad: float) -> None:
    spec = make_spec(precision=precision)
    clip = make_features(spec, 0, 1)
    for name in ("pooled", "keypoints", "boxes", "time_s"):
        values = getattr(clip, name).copy()
        values.flat[1] = bad
        with pytest.raises(ValueError, match=f"expected {name} to be finite"):
            replace(clip, **{name: values})
    writer = StoreWriter.create(tmp_path / "a.zarr", spec=spec, index=make_index(1))
    writer.write_shard(0, [clip], [ClipResult(Status.OK)])
    stored = FeatureStore.open(writer.path).read_stored([0])
    stored["pooled_scale" if precision == "u1" else "pooled"].flat[0] = bad
    with pytest.raises(ValueError, match="to be finite, got NaN or infinity"):
        writer.write_stored(0, stored, [ClipResult(Status.OK)])
