"""Which versions of packages made a store: recorded, kept with each shard, and compared."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.versions import check_versions, describe_versions, join_versions, parse_versions
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_clip, make_index, make_spec, make_store, tree_bytes

OLD = {"numpy": ("2.3.0",), "opencv": ("4.14.0",)}
NEW = {"numpy": ("2.4.6",), "opencv": ("5.0.0",)}


@pytest.fixture
def tmp_path(memory_folder: Path) -> Path:
    """In memory: these tests flush hundreds of files."""
    return memory_folder


def write(writer: StoreWriter, shard: int, versions: dict[str, tuple[str, ...]]) -> None:
    clips = [make_clip(make_spec(), row) for row in writer.shard_rows(shard)]
    writer.write_shard(shard, [clip[0] for clip in clips], [clip[1] for clip in clips], versions=versions)


def test_a_store_keeps_the_versions_that_made_it_and_one_without_is_read(tmp_path: Path) -> None:
    make_store(tmp_path / "new.zarr", spec=make_spec(versions=NEW)).close()
    make_store(tmp_path / "before.zarr").close()
    attributes = FeatureStore.open(tmp_path / "new.zarr").attributes
    assert attributes["versions"] == {"numpy": ["2.4.6"], "opencv": ["5.0.0"]}
    assert FeatureStore.open(tmp_path / "new.zarr").versions == NEW
    before = FeatureStore.open(tmp_path / "before.zarr")
    assert "versions" not in before.attributes
    assert before.versions == {}


def test_a_shard_by_other_versions_is_on_record(tmp_path: Path) -> None:
    """The record names what differs; the store knows of both, before it is finished and after."""
    path = tmp_path / "a.zarr"
    writer = StoreWriter.create(path, spec=make_spec(versions=OLD), index=make_index(11), shard_clips=4)
    write(writer, 0, OLD)
    writer.close()
    writer = StoreWriter.resume(path, spec=make_spec(versions=NEW), index=make_index(11))
    write(writer, 1, {"numpy": OLD["numpy"], "opencv": NEW["opencv"]})
    records = [json.loads((path / f"journal/{shard:07}.json").read_text()) for shard in (0, 1)]
    assert "versions" not in records[0]
    assert records[1]["versions"] == {"opencv": ["5.0.0"]}
    both = {"numpy": ("2.3.0",), "opencv": ("4.14.0", "5.0.0")}
    assert FeatureStore.open(path).versions == both
    write(StoreWriter.attach(path), 2, OLD)
    writer.finish()
    assert FeatureStore.open(path).versions == both
    assert not verify_store(path).problems


def test_damaged_metadata_is_made_again_by_other_versions(tmp_path: Path) -> None:
    for name, made_by in (("new", OLD), ("before", {})):
        path = tmp_path / f"{name}.zarr"
        make_store(path, spec=make_spec(versions=made_by)).close()
        whole = tree_bytes(path)
        (path / "zarr.json").write_text("{")
        StoreWriter.resume(path, spec=make_spec(versions=NEW), index=make_index(11)).finish()
        assert tree_bytes(path) == whole


@pytest.mark.parametrize("value", ["4.14", ["opencv"], {"opencv": "4.14"}, {"opencv": [4]}])
def test_versions_of_another_form_are_no_versions(value: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_versions(value)
    make_store(tmp_path / "a.zarr").close()
    root = json.loads((tmp_path / "a.zarr/zarr.json").read_text())
    root["attributes"]["versions"] = value
    (tmp_path / "a.zarr/zarr.json").write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match="damaged store, its attributes are wrong: expected"):
        FeatureStore.open(tmp_path / "a.zarr")


def test_versions_are_joined_and_said() -> None:
    joined = join_versions(NEW, OLD, {"av": ("18.1.0",)})
    assert describe_versions(joined) == "av 18.1.0, numpy 2.4.6 and 2.3.0, opencv 5.0.0 and 4.14.0"
    assert describe_versions(join_versions(OLD, OLD)) == "numpy 2.3.0, opencv 4.14.0"


def test_what_is_known_to_move_features_is_refused_or_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    makers = {"a.zarr": OLD, "now": NEW}
    with pytest.raises(HeatpoolError, match="pooled features move by 0.4 to 6 %") as refused:
        check_versions(makers, backbone="onnx", mixed=False)
    assert "opencv 4.14.0 (a.zarr), 5.0.0 (now)" in str(refused.value)
    assert "--mixed-versions" in str(refused.value)
    assert not caplog.records
    check_versions(makers, backbone="onnx", mixed=True)
    check_versions({"both.zarr": join_versions(OLD, NEW)}, backbone="onnx", mixed=True)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
    assert "opencv 4.14.0 and 5.0.0 (both.zarr)" in caplog.text


@pytest.mark.parametrize(
    ("made", "backbone", "said"),
    [
        (NEW, "onnx", ""),
        ({**NEW, "numpy": ("2.4.7",)}, "onnx", "not known to move features: numpy 2.4.7 (a.zarr), 2.4.6"),
        ({**NEW, "opencv": ("5.1.0-dev",)}, "onnx", "not known to move features: opencv 5.1.0-dev"),
        ({**NEW, "opencv": ("4.14.0",)}, "yolo-pose", "not known to move features: opencv 4.14.0"),
        ({**NEW, "transformers": ("5.0",)}, "onnx", ""),  # one of them alone has it
        ({}, "onnx", "a.zarr records no versions of packages"),
    ],
)
def test_other_differences_are_a_line(
    made: dict[str, tuple[str, ...]], backbone: str, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    check_versions({"a.zarr": made, "now": NEW}, backbone=backbone, mixed=False)
    assert all(record.levelname == "INFO" for record in caplog.records)
    assert len(caplog.records) == bool(said)
    assert said in caplog.text
