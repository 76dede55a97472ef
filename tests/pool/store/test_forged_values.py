"""What a store's arrays, attributes and journal cannot hold is one line that names it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heatpool.pool.archive.pack import pack
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.attributes import read_layout
from heatpool.pool.store.journal import ShardError, ShardRecord, read_record
from heatpool.pool.store.layout import FEATURE_NAMES
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.forged_store import change_records, set_values, write_values
from tests.pool.store.store_cases import make_store

CLIPS = 11


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "a.zarr", clips=CLIPS).path


@pytest.fixture
def store(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "a.zarr")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("label", 3), ("label", -2), ("split_xsub", 4), ("subject", 2), ("subject", -2), ("status", 5),
        ("persons", 3), ("frames", -1), ("width_px", -1), ("height_px", -1), ("fps", -1.0),
        ("fps", float("nan")), ("fps", float("inf")),
    ],
)  # fmt: skip
def test_a_value_of_the_index_that_cannot_be_is_refused(store: Path, name: str, value: float) -> None:
    write_values(store, name, value)
    with pytest.raises(
        HeatpoolError, match=rf"a\.zarr: damaged, cannot read array {name} \(expected .* in {name}"
    ):
        FeatureStore.open(store).clips.table()


@pytest.mark.parametrize(
    ("name", "value"),
    [("label", 2), ("label", -1), ("split_xsub", 3), ("subject", 1), ("subject", -1), ("status", 4),
     ("persons", 2), ("frames", 2**31 - 1), ("width_px", 0), ("height_px", 0), ("fps", 0.0)],
)  # fmt: skip
def test_the_largest_and_the_smallest_that_can_be_are_read(store: Path, name: str, value: float) -> None:
    write_values(store, name, value)
    assert len(FeatureStore.open(store).clips.table()["row"]) == CLIPS


def test_an_id_that_repeats_is_refused(store: Path) -> None:
    write_values(store, "clip_id", "same")
    with pytest.raises(HeatpoolError, match="damaged, its index cannot be .expected unique clip ids, got 10"):
        _ = FeatureStore.open(store).clips.index


def test_a_column_of_numbers_is_refused(store: Path) -> None:
    """`fps` is an array that every store has, so it can be no column; a copy under another name can."""
    path = store / "zarr.json"
    shutil.copytree(store / "fps", store / "height")
    root = json.loads(path.read_text())
    root["attributes"]["columns"].append("height")
    root.pop("consolidated_metadata", None)
    path.write_text(json.dumps(root))
    with pytest.raises(
        HeatpoolError, match="damaged, cannot read array height .expected texts in height, got float32"
    ):
        FeatureStore.open(store).clips.column("height")


@pytest.mark.parametrize(
    ("kind", "names"),
    [("columns", ["status"]), ("columns", ["split_xsub"]), ("columns", ["subject", "subject"]),
     ("columns", ["../b.zarr/label"]), ("columns", [7]), ("splits", ["../a"]), ("splits", "xsub")],
)  # fmt: skip
def test_names_that_no_array_of_the_index_has_are_refused(store: Path, kind: str, names: Any) -> None:
    path = store / "zarr.json"
    root = json.loads(path.read_text())
    root["attributes"][kind] = names
    path.write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match=r"a\.zarr: damaged store, its attributes are wrong: expected"):
        FeatureStore.open(store)


def test_a_configuration_that_no_json_holds_is_refused(store: Path) -> None:
    path = store / "zarr.json"
    root = json.loads(path.read_text())
    root["attributes"]["config"]["min_area"] = float("nan")
    path.write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match="its attributes are wrong: .* not JSON compliant"):
        FeatureStore.open(store)


def test_an_array_of_more_clips_than_any_number_is_refused(store: Path) -> None:
    path = store / "zarr.json"
    root = json.loads(path.read_text())
    root["consolidated_metadata"]["metadata"]["pooled"]["shape"][0] = 10**400
    path.write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match=r"a\.zarr: damaged, shard 0: cannot decode pooled"):
        FeatureStore.open(store).read(range(CLIPS), ("pooled",))


@pytest.mark.parametrize("name", [name for name in FEATURE_NAMES if name != "mask"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_finite_numbers_are_refused(store: Path, name: str, value: float) -> None:
    set_values(store, name, value)
    opened = FeatureStore.open(store)
    if name == "time_s" and np.isnan(value):  # that of clips without features
        assert np.isnan(opened.read([0], (name,))[name]).all()
        return
    with pytest.raises(HeatpoolError, match=f"damaged, shard 0: {name} holds NaN or infinity"):
        opened.read([0], (name,))


@pytest.mark.parametrize(
    ("name", "value"),
    [("status", 5), ("status", 2**40), ("frames", -1), ("frames", "many"), ("frames", 1.5), ("fps", None),
     ("fps", 1e300), ("persons", [1]), ("persons", True), ("message", 7)],
)  # fmt: skip
def test_a_record_whose_results_cannot_be_is_damaged(store: Path, name: str, value: Any) -> None:
    def change(record: ShardRecord) -> ShardRecord:
        wrong = {name: [value] * len(record.results[name])}
        return replace(record, results={**record.results, **wrong})

    change_records(store, change)
    source = FolderSource(store)
    with pytest.raises(ShardError, match="shard 0: unreadable record"):
        read_record(source, read_layout(source), 0)


def test_results_that_are_not_the_journals_are_not_packed(store: Path, tmp_path: Path) -> None:
    write_values(store, "frames", 7)
    with pytest.raises(HeatpoolError, match="damaged, not as the journal says: array frames; `heatpool"):
        pack(store, tmp_path / "a.hpz")
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
