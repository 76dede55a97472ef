from __future__ import annotations

import pytest
import torch
from torch import nn

from heatpool.pool.disk.limits import (
    bounded_network,
    check_clip_count,
    check_unpacked,
    parse_json,
    parse_yaml,
)
from heatpool.pool.errors import HeatpoolError


def test_what_unfolds_far_beyond_its_bytes_is_refused_and_the_limit_can_be_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_unpacked("a.npz", "label", 256_000_000, packed=10)
    check_unpacked("a.npz", "label", 1_000_000_000, packed=1_000_000_000 // 64)
    with pytest.raises(
        HeatpoolError,
        match="a.npz: refused, label would take 300 MB, the file has 1.0 MB; HEATPOOL_MAX_UNPACKED_MB in "
        "the environment, now 256, raises the limit",
    ):
        check_unpacked("a.npz", "label", 300_000_000, packed=1_000_000)
    monkeypatch.setenv("HEATPOOL_MAX_UNPACKED_MB", "400")
    check_unpacked("a.npz", "label", 300_000_000, packed=1_000_000)
    monkeypatch.setenv("HEATPOOL_MAX_UNPACKED_MB", "much")
    with pytest.raises(HeatpoolError, match="expected HEATPOOL_MAX_UNPACKED_MB to be a number from 0 on"):
        check_unpacked("a.npz", "label", 1, packed=1)


def test_more_clips_than_anybody_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    check_clip_count("s.zarr", 20_000_000)
    with pytest.raises(HeatpoolError, match="it claims 20,000,001 clips; HEATPOOL_MAX_CLIPS"):
        check_clip_count("s.zarr", 20_000_001)
    monkeypatch.setenv("HEATPOOL_MAX_CLIPS", "3e7")
    check_clip_count("s.zarr", 20_000_001)


def test_a_network_is_refused_before_its_values_are_made() -> None:
    with bounded_network("a.safetensors", packed=100):
        nn.Linear(100, 100)
    with (
        pytest.raises(HeatpoolError, match="a.safetensors: refused, its network would take 4,000,000 MB"),
        bounded_network("a.safetensors", packed=100),
        torch.device("meta"),  # here for safety
    ):
        nn.Linear(1_000_000, 1_000_000)
    nn.Linear(10, 10)  # nobody looks any more
    with (
        pytest.raises(
            HeatpoolError, match=r"a\.json: refused, its network would take more memory than there is"
        ),
        bounded_network("a.json", packed=100),
    ):
        torch.empty(1 << 50)


def test_json_without_end_is_a_value_error() -> None:
    assert parse_json(b'{"a": [1]}') == {"a": [1]}
    with pytest.raises(ValueError, match="brackets within brackets"):
        parse_json("[" * 100_000)


def test_yaml_is_counted_before_it_is_unfolded() -> None:
    assert parse_yaml("") is None
    assert parse_yaml("a: &x [1, 2]\nb: *x") == {"a": [1, 2], "b": [1, 2]}
    with pytest.raises(ValueError, match="unfold to inf values"):
        parse_yaml("&a [*a]")
    with pytest.raises(ValueError, match="brackets within brackets"):
        parse_yaml("[" * 500)
    with pytest.raises(ValueError, match="could not determine a constructor"):
        parse_yaml("!!python/object/apply:os.getcwd []")
