from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heatpool.pool.resample import ResamplePlan

counts = st.integers(1, 400)


@given(frames=counts, steps=st.integers(1, 130))
def test_equals_torch_interpolation_of_every_frame(frames: int, steps: int) -> None:
    values = np.random.default_rng(frames).standard_normal((frames, 3))
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(values).T[None], size=steps, mode="linear", align_corners=False
    )[0].T.numpy()
    plan = ResamplePlan.linear(frames, steps)
    np.testing.assert_allclose(plan.apply(values[plan.frames]), wanted, atol=1e-12)


@given(frames=counts, steps=st.integers(1, 130))
def test_reads_each_frame_once_and_at_most_two_a_step(frames: int, steps: int) -> None:
    plan = ResamplePlan.linear(frames, steps)
    assert len(plan.frames) <= min(frames, 2 * steps)
    assert (np.diff(plan.frames) > 0).all()
    assert plan.frames[0] >= 0
    assert plan.frames[-1] < frames


def test_saves_57_percent_of_300_frames() -> None:
    assert len(ResamplePlan.linear(300, 64).frames) == 128


def test_two_frames_to_four_steps_by_hand() -> None:
    plan = ResamplePlan.linear(2, 4)  # positions -0.25 → 0, 0.25, 0.75, 1.25 → 1
    assert plan.apply(np.array([0.0, 8.0])).tolist() == [0, 2, 6, 8]


def test_as_many_steps_as_frames_changes_nothing() -> None:
    values = np.arange(20.0).reshape(10, 2)
    plan = ResamplePlan.linear(10, 10)
    assert plan.frames.tolist() == list(range(10))
    assert np.array_equal(plan.apply(values), values)


def test_a_gap_takes_the_seen_neighbour_and_stays_zero_inside() -> None:
    plan = ResamplePlan.linear(4, 8)  # positions 0, .25, .75, 1.25, 1.75, 2.25, 2.75, 3
    seen = np.array([True, False, False, True])
    values = np.array([5.0, 99.0, 99.0, 7.0])
    assert plan.seen_steps(seen).tolist() == [True, True, True, False, False, True, True, True]
    assert plan.apply_seen(values, seen).tolist() == [5, 5, 5, 0, 0, 7, 7, 7]


@given(frames=st.integers(1, 60), steps=st.integers(1, 40), seed=st.integers(0, 99))
def test_seen_everywhere_is_plain_mixing_and_mask_is_where_values_are(
    frames: int, steps: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    plan = ResamplePlan.linear(frames, steps)
    values = rng.uniform(1, 2, (len(plan.frames), 2, 3))
    everywhere = np.ones(len(plan.frames), bool)
    np.testing.assert_allclose(plan.apply_seen(values, everywhere), plan.apply(values), atol=1e-12)
    seen = rng.random(len(plan.frames)) < 0.5
    assert np.array_equal(plan.apply_seen(values, seen).any((1, 2)), plan.seen_steps(seen))


def test_wrong_sizes_are_named() -> None:
    plan = ResamplePlan.linear(10, 4)
    with pytest.raises(ValueError, match="expected 8 rows"):
        plan.apply(np.zeros(10))
    with pytest.raises(ValueError, match="expected 8 flags"):
        plan.apply_seen(np.zeros(8), np.ones(10, bool))
    with pytest.raises(ValueError, match="got 0 and 4"):
        ResamplePlan.linear(0, 4)
