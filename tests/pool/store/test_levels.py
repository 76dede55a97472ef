"""Steps for a given error: by hand, against the definition, and at the ends of their ranges."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from heatpool.pool.store.levels import (
    Levels,
    choose_levels,
    choose_power_of_two,
    count_float16,
    parse_error,
    round_float16,
)


def relative_error(rounded: np.ndarray, values: np.ndarray) -> float:
    """The definition: root of squared differences over root of squares."""
    exact = values.astype(np.float64)
    return float(np.sqrt(((rounded.astype(np.float64) - exact) ** 2).sum() / (exact**2).sum()))


def test_levels_of_known_values() -> None:
    levels = Levels("uint8", 0.5, 0.0)
    values = np.float16([0, 0.2, 0.3, 1, 127.5, 500])
    found = levels.to_levels(values)
    np.testing.assert_array_equal(found, np.uint8([0, 0, 1, 2, 255, 255]))  # the last one is cut off
    np.testing.assert_array_equal(levels.to_values(found), np.float16([0, 0, 0.5, 1, 127.5, 127.5]))


def test_eight_bits_where_they_reach_far_enough() -> None:
    values = np.float16([0, 1, 2, 3, 200])
    found = choose_levels(count_float16(values), 1e-3)
    assert found is not None
    np.testing.assert_allclose(found.to_values(found.to_levels(values)), values, atol=0.15)
    assert found.to_levels(values)[0] == 0
    assert found.dtype == "uint8"


@pytest.mark.parametrize(("sign", "dtype"), [(1, "uint8"), (-1, "int8")])
def test_signed_features_take_signed_levels(sign: int, dtype: str) -> None:
    values = sign * np.linspace(0, 7, 1000).astype(np.float16)
    found = choose_levels(count_float16(values), 0.02)
    assert found is not None
    assert found.dtype == dtype
    assert found.step == pytest.approx(0.02 * 12**0.5 * 7 / 3**0.5, rel=0.05)  # error of even rounding


def test_few_very_large_values_take_16_bits() -> None:
    values = np.float16([*np.linspace(0, 1, 100_000), 300.0])
    found = choose_levels(count_float16(values), 0.005)
    assert found is not None
    assert found.dtype == "uint16"
    assert found.to_values(found.to_levels(np.float16([300])))[0] == pytest.approx(300, rel=1e-3)


def test_an_error_that_no_step_keeps_to() -> None:
    values = np.float16([6e-8, 65_504])
    assert choose_levels(count_float16(values), 1e-12) is None


def test_features_of_nothing() -> None:
    counts = count_float16(np.zeros((2, 3), np.float16))
    assert choose_levels(counts, 0.02) == Levels("uint8", 1.0, 0.0)
    assert choose_power_of_two(counts, 0.02)[1] == 0


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float16, st.integers(1, 60), elements=st.floats(-1000, 1000, width=16)),
    st.sampled_from([0.005, 0.02, 0.05, 0.2]),
)
def test_the_error_is_kept_and_said(values: np.ndarray, error: float) -> None:
    if not values.any():
        return
    found = choose_levels(count_float16(values), error)
    assert found is not None
    steps = found.to_levels(values).astype(np.float64) * found.step
    assert relative_error(steps, values) == pytest.approx(found.error, abs=1e-6)
    assert found.error <= error
    step, said = choose_power_of_two(count_float16(values), error)
    assert relative_error(round_float16(values, step), values) == pytest.approx(said, abs=1e-9)
    assert said <= error
    assert np.log2(step) == round(np.log2(step))


@pytest.mark.parametrize(
    "text", ["error", "error:0%", "error:100%", "error:-2%", "error:2", "u1:2%", "error:nan%"]
)
def test_what_is_no_error(text: str) -> None:
    assert parse_error(text) is None


def test_what_is_one() -> None:
    assert parse_error("error:2%") == ("error", 0.02)
    assert parse_error("float16:0.5%") == ("float16", 0.005)


@pytest.mark.parametrize(
    "wrong", [("float16", 1, 0), ("uint8", 0, 0), ("uint8", float("nan"), 0), ("uint8", 1, 2)]
)
def test_a_record_checks_itself(wrong: tuple[str, float, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        Levels(*wrong)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16"])
def test_every_level_is_its_number_times_the_step(dtype: str) -> None:
    limits = np.iinfo(dtype)
    numbers = np.arange(limits.min, limits.max + 1).astype(dtype)
    by_hand = (numbers.astype(np.float32) * np.float32(0.3)).astype(np.float16)
    np.testing.assert_array_equal(Levels(dtype, 0.3, 0.0).to_values(numbers[::-1]), by_hand[::-1])
