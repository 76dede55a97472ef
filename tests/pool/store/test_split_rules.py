"""Split rules travel with the clips: into the store, through everything that is made from it, and back."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pool.archive.pack import pack, unpack
from heatpool.pool.derive.convert import convert_store
from heatpool.pool.derive.merge import merge_stores, subset_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.hdf5 import export_hdf5, import_hdf5
from heatpool.pool.exchange.npz import export_npz, import_npz
from heatpool.pool.exchange.published import MANIFEST_NAME, export_published, import_published
from heatpool.pool.records import ClipIndex
from heatpool.pool.sources.archive import ArchiveSource, DiskFile
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec, make_store, write_pending

RULES = {"xsub": "subject", "xview": "camera"}


def make(path: Path, rules: dict[str, str], *, prefix: str = "", clips: int = 11) -> FeatureStore:
    index = replace(make_index(clips), disjoint=rules)
    index = replace(index, clip_id=tuple(prefix + name for name in index.clip_id))
    with StoreWriter.create(path, spec=make_spec(), index=index, shard_clips=4) as writer:
        write_pending(writer, make_spec())
        writer.finish()
    return FeatureStore.open(path)


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return make(tmp_path / "s.zarr", RULES)


def rules_at(path: Path) -> dict[str, str]:
    return dict(FeatureStore.open(path).clips.index.disjoint)


def test_rules_are_a_root_attribute_that_stores_without_lack(store: FeatureStore, tmp_path: Path) -> None:
    attributes = json.loads((tmp_path / "s.zarr" / "zarr.json").read_bytes())["attributes"]
    assert attributes["disjoint"] == RULES
    assert store.clips.index.disjoint == store.clips.index_of([3, 1]).disjoint == RULES
    make_store(tmp_path / "plain.zarr")
    assert "disjoint" not in json.loads((tmp_path / "plain.zarr" / "zarr.json").read_bytes())["attributes"]
    assert rules_at(tmp_path / "plain.zarr") == {}


@pytest.mark.parametrize("wrong", [["xsub"], {"xsub": 1}, "subject"])
def test_a_rule_that_is_none_is_damage(store: FeatureStore, tmp_path: Path, wrong: object) -> None:
    path = tmp_path / "s.zarr" / "zarr.json"
    body = json.loads(path.read_bytes())
    body["attributes"]["disjoint"] = wrong
    path.write_text(json.dumps(body))
    with pytest.raises(HeatpoolError, match="damaged store, .* expected .* in disjoint"):
        FeatureStore.open(tmp_path / "s.zarr")


def test_what_is_made_from_a_store_has_its_rules(store: FeatureStore, tmp_path: Path) -> None:
    subset_store(store, tmp_path / "sub.zarr", rows=np.array([0, 5]))
    convert_store(store, tmp_path / "u1.zarr", precision="u1")
    pack(store, tmp_path / "s.hpz")
    unpack(ArchiveSource(DiskFile(tmp_path / "s.hpz")), tmp_path / "unpacked.zarr")
    export_hdf5(store, tmp_path / "s.h5")
    import_hdf5(tmp_path / "s.h5", tmp_path / "h5.zarr")
    export_npz(store, tmp_path / "s.npz")
    import_npz(tmp_path / "s.npz", tmp_path / "npz.zarr")
    for name in ("sub", "u1", "unpacked", "h5", "npz"):
        assert rules_at(tmp_path / f"{name}.zarr") == RULES, name
    for name in ("unpacked", "h5", "npz"):
        assert store_digest(FeatureStore.open(tmp_path / f"{name}.zarr").source) == store_digest(store.source)


def test_a_published_folder_names_its_rules_in_the_manifest(store: FeatureStore, tmp_path: Path) -> None:
    export_published(store, tmp_path / "npy")
    index = read_manifest(tmp_path / "npy" / MANIFEST_NAME).index()
    assert index.disjoint == RULES
    assert set(index.splits) == {"xsub", "xview"}
    import_published(tmp_path / "npy", tmp_path / "back.zarr", index=index)
    assert rules_at(tmp_path / "back.zarr") == RULES
    export_published(make(tmp_path / "none.zarr", {}), tmp_path / "without")
    assert "disjoint" not in (tmp_path / "without" / MANIFEST_NAME).read_text().splitlines()[0]


def test_merged_stores_share_their_rules_and_must_not_contradict(store: FeatureStore, tmp_path: Path) -> None:
    other = make(tmp_path / "b.zarr", {"xview": "camera", "own": "subject"}, prefix="b")
    merge_stores([store, other], tmp_path / "ab.zarr")
    assert rules_at(tmp_path / "ab.zarr") == {"xsub": "subject", "xview": "camera", "own": "subject"}
    third = make(tmp_path / "c.zarr", {"xsub": "camera"}, prefix="c")
    with pytest.raises(HeatpoolError, match="xsub must be disjoint by subject in one store and by camera in"):
        merge_stores([store, third], tmp_path / "ac.zarr")
    assert not (tmp_path / "ac.zarr").exists()


def resume(path: Path, rules: dict[str, str]) -> None:
    index: ClipIndex = replace(make_index(11), disjoint=rules)
    StoreWriter.resume(path, spec=make_spec(), index=index).close()


def test_a_resume_has_the_rules_of_the_store(store: FeatureStore, tmp_path: Path) -> None:
    path = tmp_path / "s.zarr"
    resume(path, RULES)
    for given, found in (({}, "nothing"), ({**RULES, "xsub": "camera"}, "'camera'")):
        with pytest.raises(HeatpoolError, match=f"disjoint.xsub: 'subject' in the store, {found} given"):
            resume(path, given)
    before = (path / "zarr.json").read_bytes()
    (path / "zarr.json").unlink()
    resume(path, RULES)
    assert (path / "zarr.json").read_bytes() == before


def test_a_store_of_an_earlier_release_is_resumed_without_rules(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "old.zarr"
    make(path, {})
    before = (path / "zarr.json").read_bytes()
    with caplog.at_level(logging.WARNING):
        resume(path, RULES)
    assert "has no split rule and gets none on resume" in caplog.text
    assert (path / "zarr.json").read_bytes() == before
    (path / "label" / "zarr.json").unlink()  # made again, to the recorded bytes, without a rule
    resume(path, RULES)
    assert (path / "zarr.json").read_bytes() == before
    assert rules_at(path) == {}
