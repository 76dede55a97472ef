"""The comparison behind the table of readers, by the two readers that are installed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.readers import HERE, compare, make_store, own_values
from heatpool.pool.store.reader import FeatureStore


@pytest.fixture(scope="module", params=["f2", "u1"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    return make_store(tmp_path_factory.mktemp("readers") / "a.zarr", request.param)


@pytest.mark.parametrize("function", ["by_zarr", "by_xarray"])
def test_every_array_comes_equal_to_the_bit(store: FeatureStore, function: str) -> None:
    if function == "by_xarray":
        pytest.importorskip("xarray")
    command = [sys.executable, HERE / "read_with.py", function, store.path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    equal, wrong = compare(done.stdout, own_values(store))
    decoded = ["u1 decoded"] if (store.spec.precision, function) == ("u1", "by_xarray") else []
    assert (sorted(equal), wrong) == (sorted([*store.clips.group.array_keys(), *decoded]), {})


def test_other_values_and_errors_are_told(store: FeatureStore) -> None:
    own = own_values(store)
    lines = [
        {"array": "label", **own["label"]},
        {"array": "mask", **own["time_s"]},
        {"array": "path", "error": "ValueError: string data type\nand more"},
    ]
    said = "\n".join(["a warning", *map(json.dumps, lines)])
    assert compare(said, own) == (
        ["label"], {"other values, without a word": ["mask"], "ValueError: string data type": ["path"]}
    )  # fmt: skip
