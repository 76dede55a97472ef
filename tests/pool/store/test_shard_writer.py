"""Writing shards: damage and repair, refusals, and what `finish` derives from the journal."""

from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from heatpool.pool.disk.files import temp_name
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipResult, Status
from heatpool.pool.store.journal import ShardRecord
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import (
    make_features,
    make_index,
    make_spec,
    make_store,
    tree_bytes,
    write_pending,
)

OK = ClipResult(Status.OK, 10, 25.0, 64, 48, 1)


def create(path: Path, *, clips: int = 11, **options) -> StoreWriter:
    return StoreWriter.create(path, spec=make_spec(), index=make_index(clips), shard_clips=4, **options)


DAMAGES = {
    "record gone": ("journal/0000001.json", lambda data: None),
    "record cut": ("journal/0000001.json", lambda data: data[: len(data) // 2]),
    "record altered": ("journal/0000001.json", lambda data: data.replace(b'"status":[4', b'"status":[2')),
    "record no object": ("journal/0000001.json", lambda data: b"[]"),
    "file gone": ("keypoints/c/1/0/0/0/0", lambda data: None),
    "file cut": ("pooled/c/1/0/0/0/0", lambda data: data[:-1]),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_makes_exactly_its_shard_pending_and_is_repaired(tmp_path: Path, damage: str) -> None:
    writer = make_store(tmp_path / "a.zarr")
    before = tree_bytes(writer.path)
    name, change = DAMAGES[damage]
    file = writer.path / name
    data = change(file.read_bytes())
    assert data != file.read_bytes()
    if data is None:
        file.unlink()
    else:
        file.write_bytes(data)
    assert writer.pending_shards() == [1]
    write_pending(writer, make_spec())
    writer.finish()
    assert tree_bytes(writer.path) == before


def test_a_record_of_another_shard_does_not_count(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr")
    journal = writer.path / "journal"
    (journal / "0000001.json").write_bytes((journal / "0000000.json").read_bytes())
    assert writer.pending_shards() == [1]


def test_changed_bytes_of_the_same_size_are_found_by_verify(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr")
    file = writer.path / "boxes/c/2/0/0/0"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert writer.pending_shards(check="journal") == writer.pending_shards(check="sizes") == []
    assert writer.pending_shards(check="hashes") == [2]


def test_a_shard_of_failures_stores_no_feature_file(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr")
    record = writer.write_shard(1, [None] * 4, [ClipResult(Status.FAILED, reason="no")] * 4)
    assert record.files == {}
    assert writer.pending_shards() == [0, 2]
    (writer.path / "mask/c/1/0").mkdir(parents=True)
    (writer.path / "mask/c/1/0/0").write_bytes(b"stray")
    assert writer.pending_shards() == [0, 1, 2]
    writer.write_shard(1, [None] * 4, [ClipResult(Status.FAILED, reason="no")] * 4)
    assert not (writer.path / "mask/c/1/0/0").exists()


def test_files_and_their_folders_are_flushed_before_the_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, flushed = create(tmp_path / "a.zarr"), []
    monkeypatch.setattr("heatpool.pool.disk.files.flush_file", flushed.append)
    write_pending(writer, make_spec(), limit=1)
    folders = {
        folder.relative_to(writer.path)
        for key in ("pooled/c/0/0/0/0/0", "mask/c/0/0/0")
        for folder in (writer.path / key, *(writer.path / key).parents)
        if folder.is_relative_to(writer.path)
    }
    record = next(place for place, path in enumerate(flushed) if path.name == "0000000.json")
    assert folders <= {path.relative_to(writer.path) for path in flushed[:record]}


def test_resume_clears_dead_writers_leftovers_only(tmp_path: Path) -> None:
    writer = make_store(tmp_path / "a.zarr")
    alive = writer.path / temp_name("shard0")
    prefix = alive.name.rsplit("-", 1)[0]
    dead = writer.path / f"{prefix}-4194999"  # above the largest process id Linux gives
    elsewhere = writer.path / ".tmp-shard1-other_host-17"
    forgotten = writer.path / ".tmp-shard2-other_host-17"
    for folder in (alive, dead, elsewhere, forgotten):
        folder.mkdir()
    os.utime(forgotten, (0, 0))
    StoreWriter.resume(writer.path, spec=make_spec(), index=make_index(11))
    assert [f.exists() for f in (alive, dead, elsewhere, forgotten)] == [True, False, True, False]


def test_finish_writes_results_and_failures(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr", clips=5)
    absent = make_features(make_spec(), 2, 0)
    writer.write_shard(
        0,
        [make_features(make_spec(), 0, 1), None, absent, make_features(make_spec(), 3, 2)],
        [
            OK,
            ClipResult(Status.FAILED, reason='bad "atom", really'),
            ClipResult(Status.NO_PERSON, 40, 25.0, 64, 48, 0, "nobody"),
            ClipResult(Status.TRUNCATED, 7, 25.0, 64, 48, 2, "ends\nearly"),
        ],
    )
    writer.finish()
    with (writer.path / "failures.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["clip_id", "path", "status", "message"],
            ["clip_0001", "videos/clip_0001.mp4", "failed", 'bad "atom", really'],
            ["clip_0002", "videos/clip_0002.mp4", "no_person", "nobody"],
            ["clip_0003", "videos/clip_0003.mp4", "truncated", "ends\nearly"],
        ]
    store = FeatureStore.open(writer.path)
    assert store.clips.status.tolist() == [1, 4, 2, 3, 0]
    assert store.clips.frames.tolist() == [10, 0, 40, 7, 0]
    assert store.clips.persons.tolist() == [1, 0, 0, 2, 0]
    counts = json.loads((writer.path / "finished.json").read_text())["clips"]
    assert counts == {"pending": 1, "ok": 1, "no_person": 1, "truncated": 1, "failed": 1}


def test_failures_csv_has_its_header_when_all_went_well(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr", clips=1)
    writer.write_shard(0, [make_features(make_spec(), 0, 1)], [OK])
    writer.finish()
    assert (writer.path / "failures.csv").read_text() == "clip_id,path,status,message\n"


def test_write_shard_refuses_what_does_not_fit(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr", clips=1)
    good = make_features(make_spec(), 0, 1)
    with pytest.raises(ValueError, match="expected 1 clips, got 2 features"):
        writer.write_shard(0, [good, good], [OK])
    with pytest.raises(ValueError, match="expected features for status ok, got None"):
        writer.write_shard(0, [None], [OK])
    with pytest.raises(ValueError, match="no features for a failed clip"):
        writer.write_shard(0, [good], [ClipResult(Status.FAILED)])
    with pytest.raises(ValueError, match="got pending"):
        writer.write_shard(0, [good], [ClipResult(Status.PENDING)])
    other = make_features(make_spec(channels=6), 0, 1)
    with pytest.raises(ValueError, match=r"expected pooled of shape \(2, 4, 3, 5\), got \(2, 4, 3, 6\)"):
        writer.write_shard(0, [other], [OK])
    assert writer.pending_shards() == [0]


def test_values_beyond_float16_are_refused_not_stored_as_infinity(tmp_path: Path) -> None:
    writer = create(tmp_path / "a.zarr", clips=1)

    def features(peak: float) -> ClipFeatures:
        clip = make_features(make_spec(), 0, 1)
        pooled = clip.pooled.copy()
        pooled[0, 1, 2, 3] = peak
        return replace(clip, pooled=pooled)

    with pytest.raises(HeatpoolError, match="clip in row 0: pooled reaches 65505, expected at most 65504"):
        writer.write_shard(0, [features(65505.0)], [OK])
    writer.write_shard(0, [features(-65504.0)], [OK])
    assert FeatureStore.open(writer.path).read([0])["pooled"].min() == -65504


def test_a_full_disk_is_one_clear_line(tmp_path: Path) -> None:
    def full(name: str) -> None:
        if name == "shard 0: wrote boxes":
            raise OSError(28, "No space left on device")

    writer = create(tmp_path / "a.zarr", clips=1, on_step=full)
    with pytest.raises(HeatpoolError, match=r"cannot write shard 0 \(No space left on device\)"):
        writer.write_shard(0, [make_features(make_spec(), 0, 1)], [OK])
    assert writer.pending_shards() == [0]
    writer.close()
    assert [name for name in os.listdir(writer.path) if name.startswith(".")] == []


def test_records_survive_their_own_round_trip() -> None:
    layout = Layout.of(make_spec(), clips=14, shard_clips=4)
    results = [OK, ClipResult(Status.FAILED, reason="ünï\n\udc80")]
    files = {"pooled/c/3/0/0/0/0": (17, "ab")}
    record = ShardRecord.of(layout, 3, files=files, results=results, code_version="1.2.3", versions={})
    assert record.first_clip == 12
    assert ShardRecord.from_bytes(record.to_bytes()) == record
