"""Damage of any file is found, named and repaired to the same bytes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines import cli
from heatpool.pool.disk.files import hash_file
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.folder import FolderSource
from heatpool.pool.store.create import CreationRecord
from heatpool.pool.store.digests import recorded_files, store_digest
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.pool.store.store_cases import make_index, make_spec, make_store, tree_bytes, write_pending

SPEC = make_spec(precision="u1")


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 0x10
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


DAMAGES: tuple[Callable[[Path], None], ...] = (flip, cut, Path.unlink)


@pytest.fixture(scope="module")
def intact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "a.zarr", clips=7, spec=SPEC).path


def resume(path: Path, **options) -> list[int]:
    """What `heatpool extract --resume` does; returns the shards that it wrote."""
    with StoreWriter.resume(path, spec=SPEC, index=make_index(7), **options) as writer:
        shards = writer.pending_shards(check="hashes")
        write_pending(writer, SPEC, check="hashes")
        writer.finish()
    return shards


def test_an_intact_store_is_intact_and_every_file_was_compared(intact: Path) -> None:
    report = verify_store(intact)
    assert report.intact
    assert (report.pending, report.unexpected, report.files) == ((), (), len(tree_bytes(intact)))


@pytest.mark.parametrize("number", range(3))
def test_every_damaged_file_is_found_and_repaired(intact: Path, tmp_path: Path, number: int) -> None:
    """Each file with one damage, several in a store; every damage of each under `-m slow`."""
    groups = damaged_together(intact)
    for keys in groups[number::3]:
        check_repaired(intact, tmp_path, keys, DAMAGES[number])


@pytest.mark.slow
def test_every_file_with_every_damage(intact: Path, tmp_path: Path) -> None:
    for key in tree_bytes(intact):
        for damage in DAMAGES:
            check_repaired(intact, tmp_path, (key,), damage)


def damaged_together(intact: Path) -> list[tuple[str, ...]]:
    """Every file of a store, in groups of which the report tells one from the other.

    Those are files of different shards, and files made at creation, which the report names.
    """
    by_shard: dict[int | None, list[str]] = {}
    for key in sorted(tree_bytes(intact)):
        by_shard.setdefault(shard_of(key), []).append(key)
    others = by_shard.pop(None)
    made = [key for key in others if key in created(intact) and key != "zarr.json"]
    alone = [(key,) for key in others if key not in made]
    return [*alone, *(tuple(made[first::5]) for first in range(5)), *zip(*by_shard.values(), strict=True)]


def created(store: Path) -> set[str]:
    record = CreationRecord.read(FolderSource(store))
    assert record is not None
    return set(record.files)


def shard_of(key: str) -> int | None:
    """Shard that is written anew when a file is damaged."""
    if key.startswith("journal/"):
        return int(Path(key).stem)
    return int(key.split("/")[2]) if key.partition("/")[0] in SHARDED and "/c/" in key else None


def check_repaired(intact: Path, folder: Path, keys: tuple[str, ...], damage: Callable[[Path], None]) -> None:
    path = folder / "b.zarr"
    shutil.copytree(intact, path)
    for key in keys:
        damage(path / key)
    shards = {shard_of(key) for key in keys}
    if keys == ("zarr.json",):
        with pytest.raises(HeatpoolError):  # nothing can be said of a store without its root
            verify_store(path)
    else:
        report = verify_store(path)
        found = {problem.shard for problem in report.problems} | set(report.pending)
        assert shards <= found <= shards | {None}, keys
        texts = " ".join(problem.text for problem in report.problems)
        assert all(f"{key} is " in texts for key in keys if len(keys) > 1 and shard_of(key) is None), texts
    assert set(resume(path)) == shards - {None}, keys
    assert tree_bytes(path) == tree_bytes(intact), keys
    shutil.rmtree(path)


SHARDED = {"pooled", "pooled_scale", "pooled_offset", "keypoints", "boxes", "mask", "time_s"}


def test_files_of_nothing_are_named_and_are_no_damage(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    shutil.copytree(path / "pooled/c/0", path / "pooled/c/9")
    (path / "run.json").write_text("{}")
    (path / ".lock-writer").write_text("")
    report = verify_store(path)
    assert report.intact
    assert report.unexpected == ("pooled/c/9/0/0/0/0",)


def test_a_file_that_cannot_be_read_is_damaged(
    intact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bad_sector(path: Path) -> tuple[int, str]:
        if path.relative_to(intact).as_posix() in ("pooled/c/1/0/0/0/0", "label/c/0"):
            raise OSError(5, "Input/output error")
        return hash_file(path)

    monkeypatch.setattr("heatpool.pool.sources.folder.hash_file", bad_sector)
    texts = [problem.text for problem in verify_store(intact).problems]
    assert "shard 1: cannot read pooled/c/1/0/0/0/0 (Input/output error)" in texts
    assert "label/c/0 is changed" in texts


def test_a_lost_index_json_is_made_again_only_for_the_same_input(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    (path / "index.json").unlink()
    other = replace(make_index(7), label=np.zeros(7, np.int32))
    with pytest.raises(HeatpoolError, match="label of row 0: -1 in the store, 0 given"):
        StoreWriter.resume(path, spec=SPEC, index=other)
    flip(path / "split_xsub/zarr.json")
    with pytest.raises(HeatpoolError, match=r"'split_xsub/zarr.json'.* cannot be made again"):
        resume(path)
    shutil.copy(intact / "split_xsub/zarr.json", path / "split_xsub/zarr.json")
    resume(path)
    assert tree_bytes(path) == tree_bytes(intact)


def test_resume_compares_by_digest_and_says_what_differs(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    index = make_index(7)
    others = {
        "path of row 0": replace(index, path=("other.mp4", *index.path[1:])),
        "class_names": replace(index, class_names=("wave", "sit", "stand up")),
        "column subject of row 1": replace(index, columns={**index.columns, "subject": ("",) * 7}),
        "split xview of row 0": replace(index, splits={**index.splits, "xview": np.zeros(7, np.uint8)}),
        "splits": replace(index, splits={}),
    }
    for difference, other in others.items():
        with pytest.raises(HeatpoolError, match=f"cannot resume.*other input: {difference}"):
            StoreWriter.resume(path, spec=SPEC, index=other)
    with pytest.raises(HeatpoolError, match="precision: 'u1' in the store, 'f2' given"):
        StoreWriter.resume(path, spec=make_spec(), index=index)
    assert tree_bytes(path) == tree_bytes(intact)


def test_check_journal_looks_at_no_shard_file(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    shutil.rmtree(path / "pooled")
    writer = StoreWriter.attach(path)
    assert writer.pending_shards(check="journal") == []
    assert writer.pending_shards(check="sizes") == [0, 1]


def test_the_digest_of_a_store_follows_its_content(intact: Path, tmp_path: Path) -> None:
    digest = store_digest(FolderSource(intact))
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    (path / "run.json").write_text("{}")
    assert store_digest(FolderSource(path)) == digest
    (path / "finished.json").unlink()
    assert store_digest(FolderSource(path)) == digest
    (path / "journal/0000000.json").unlink()
    assert store_digest(FolderSource(path)) != digest
    files = recorded_files(FolderSource(intact))
    assert {"zarr.json", "clip_id/c/0", "pooled/c/0/0/0/0/0", "pooled_scale/c/1/0/0"} <= set(files)
    assert all(len((intact / key).read_bytes()) == size for key, (size, _) in files.items())


def test_a_record_that_vanished_is_an_error_to_readers_not_zeros(intact: Path, tmp_path: Path) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    (path / "journal/0000001.json").unlink()
    (path / "pooled/c/1/0/0/0/0").unlink()
    with pytest.raises(HeatpoolError, match="shard 1 has results, but no record in the journal"):
        FeatureStore.open(path).read([5])


def test_the_command_names_shards_and_clips(
    intact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = shutil.copytree(intact, tmp_path / "b.zarr")
    assert cli.main(["verify", str(path), "--quiet"]) == 0
    assert capsys.readouterr().out == f"{path}: {len(tree_bytes(intact))} files compared, intact\n"
    flip(path / "boxes/c/1/0/0/0")
    assert cli.main(["verify", str(path), "--quiet"]) == 1
    out, err = capsys.readouterr()
    assert "damaged: shard 1: the bytes of boxes/c/1/0/0/0 changed since they were written " in out
    assert "(clips 4 to 6: clip_0004 to clip_0006)" in out
    assert err.endswith("not intact; `heatpool extract … --resume` repairs it\n")
    (path / "journal/0000000.json").unlink()
    assert cli.main(["verify", str(path), "--quiet"]) == 1
    assert "missing: 1 of 2 shards have no record, 4 clips: 0" in capsys.readouterr().out
    assert cli.main(["verify", str(tmp_path), "--quiet"]) == 1
    assert "no readable zarr.json" in capsys.readouterr().err


@pytest.mark.parametrize("read", [verify_store, FeatureStore.open], ids=["verify", "open"])
def test_a_claim_without_files_is_refused_at_once(intact: Path, tmp_path: Path, read: Callable) -> None:
    path = shutil.copytree(intact, tmp_path / "lie.zarr")
    root = json.loads((path / "zarr.json").read_bytes())
    root["attributes"]["clips"] = 10**12
    (path / "zarr.json").write_text(json.dumps(root))
    with pytest.raises(HeatpoolError, match=r"damaged, it claims 1,000,000,000,000 clips and has no label/c"):
        read(path)
