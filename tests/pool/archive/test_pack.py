from __future__ import annotations

import os
import random
import shutil
import zipfile
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.pool.archive.card import draft_card, read_card, store_card
from heatpool.pool.archive.pack import MAX_CARD_BYTES, pack, unpack, verify
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive import ArchiveSource
from heatpool.pool.sources.archive_format import CARD, MANIFEST, Member, ZipLayout, manifest_bytes
from heatpool.pool.sources.locate import open_archive
from heatpool.pool.store.digests import store_digest
from heatpool.pool.store.reader import FeatureStore
from tests.pool.archive.archive_cases import MemoryFile, pack_store
from tests.pool.store.store_cases import make_spec, make_store, tree_bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store and its archive, to be read only."""
    folder = tmp_path_factory.mktemp("archive")
    make_store(folder / "s.zarr").close()
    (folder / "s.zarr" / "run.json").write_text('{"videos_root": "/home/someone"}')
    pack_store(folder / "s.zarr", folder / "s.hpz")
    return folder


def test_an_archive_gives_the_store_back(folder: Path, tmp_path: Path) -> None:
    unpack(open_archive(folder / "s.hpz"), tmp_path / "deep" / "s.zarr")
    before, after = tree_bytes(folder / "s.zarr"), tree_bytes(tmp_path / "deep" / "s.zarr")
    card = after.pop(CARD)
    del before["run.json"]
    assert after == before
    assert card.decode() == draft_card(FeatureStore.open(folder / "s.zarr"))
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["s.zarr"]


def test_the_same_store_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "s.zarr", tmp_path / "elsewhere" / "other name.zarr")
    for path in (tmp_path / "elsewhere").rglob("*"):
        os.utime(path, (1, 1))
    again = pack_store(tmp_path / "elsewhere" / "other name.zarr", tmp_path / "b.hpz")
    assert (tmp_path / "b.hpz").read_bytes() == (folder / "s.hpz").read_bytes()
    assert again.digest == verify(open_archive(folder / "s.hpz")).digest
    unpack(open_archive(tmp_path / "b.hpz"), tmp_path / "c.zarr")
    pack_store(tmp_path / "c.zarr", tmp_path / "c.hpz")
    assert (tmp_path / "c.hpz").read_bytes() == (folder / "s.hpz").read_bytes()


def test_other_programs_read_the_zip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "s.hpz") as file:
        assert file.testzip() is None
        names = [info.filename for info in file.infolist()]
        assert names[:2] == [MANIFEST, CARD]
        assert names[2:] == sorted(names[2:])
        assert "run.json" not in names
        assert b"/home/someone" not in (folder / "s.hpz").read_bytes()
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


def test_a_store_is_read_straight_out_of_its_archive(folder: Path) -> None:
    plain, packed = FeatureStore.open(folder / "s.zarr"), FeatureStore.open(folder / "s.hpz")
    rows = [10, 0, 6]
    arrays = ("pooled", "keypoints", "boxes", "mask", "time_s")
    for name, values in plain.read(rows, arrays).items():
        np.testing.assert_array_equal(packed.read(rows, arrays)[name], values)
    for (rows_a, a), (rows_b, b) in zip(plain.iter_shards(), packed.iter_shards(), strict=True):
        np.testing.assert_array_equal(rows_a, rows_b)
        np.testing.assert_array_equal(a["pooled"], b["pooled"])
    assert packed.clips.status.tolist() == plain.clips.status.tolist()
    assert packed.clips.index.columns == plain.clips.index.columns
    assert store_digest(packed.source) == store_digest(plain.source)
    with pytest.raises(HeatpoolError, match=r"s\.hpz"):
        _ = packed.path


def _flips(data: bytearray, bits: list[int]) -> list[int]:
    """Bits whose flip is not noticed."""
    missed = []
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
        with suppress(HeatpoolError):
            verify(ArchiveSource(MemoryFile(data)))
            missed.append(bit)
        data[bit // 8] ^= 1 << bit % 8
    return missed


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytearray:
    """The bytes of a small archive."""
    folder = tmp_path_factory.mktemp("small")
    make_store(folder / "s.zarr", clips=2, spec=make_spec(1, 2, 1, 1)).close()
    pack(folder / "s.zarr", folder / "s.hpz", card="A card.\n")
    return bytearray((folder / "s.hpz").read_bytes())


def test_sampled_flips_of_a_bit_are_found_in_every_region(small: bytearray) -> None:
    layout = ArchiveSource(MemoryFile(small)).layout
    places = random.Random(0)
    bits = [8 * (start + places.randrange(len(piece))) for start, piece in layout.frame()]
    bits += [
        8 * (start + places.randrange(member.size)) + places.randrange(8)
        for start, member in zip(layout.starts, layout.members, strict=True)
        if member.size
    ]
    directory = layout.frame()[-1][0]
    bits += [places.randrange(8 * directory, 8 * len(small)) for _ in range(400)]
    bits += [places.randrange(8 * len(small)) for _ in range(600)]
    assert _flips(small, bits) == []
    verify(ArchiveSource(MemoryFile(small)))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_flip_of_a_bit_is_found(small: bytearray) -> None:
    assert _flips(small, list(range(8 * len(small)))) == []


@pytest.mark.parametrize("cut", [1, 22, 30_000])
def test_a_cut_or_longer_archive_is_refused(small: bytearray, cut: int) -> None:
    for data in (small[:-cut], small + bytes(cut)):
        with pytest.raises(HeatpoolError, match=r"cut off|damaged|refused"):
            verify(ArchiveSource(MemoryFile(data)))


def test_other_files_are_no_archives(tmp_path: Path) -> None:
    (tmp_path / "x.hpz").write_bytes(b"")
    with pytest.raises(HeatpoolError, match="expected an archive"):
        open_archive(tmp_path / "x.hpz")
    with zipfile.ZipFile(tmp_path / "y.hpz", "w") as file:
        file.writestr("zarr.json", "{}")
    with pytest.raises(HeatpoolError, match="expected an archive"):
        open_archive(tmp_path / "y.hpz")
    with pytest.raises(HeatpoolError, match="no such"):
        open_archive(tmp_path / "nowhere.hpz")


def _forge(contents: dict[str, bytes], *, claimed: dict[str, int] | None = None) -> bytearray:
    """An archive of any contents with a manifest that fits them, or claims other sizes."""
    members = [
        Member(name, (claimed or {}).get(name, len(data)), _sha(data), zlib.crc32(data))
        for name, data in sorted(contents.items(), key=lambda item: (item[0] != CARD, item[0]))
    ]
    manifest = manifest_bytes(members)
    full = [Member(MANIFEST, len(manifest), crc32=zlib.crc32(manifest)), *members]
    layout = ZipLayout(full)
    data = bytearray(layout.size if layout.size < 1 << 24 else 1 << 16)
    for position, piece in [
        *layout.frame(),
        *zip(layout.starts, [manifest, *(contents[member.name] for member in members)], strict=True),
    ]:
        data[position : position + len(piece)] = piece
    return data


def _sha(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _contents(small: bytearray) -> dict[str, bytes]:
    source = ArchiveSource(MemoryFile(small))
    return {member.name: source.read(member.name) or b"" for member in source.members}


def test_forged_archives_are_refused(small: bytearray, tmp_path: Path) -> None:
    contents = _contents(small)
    assert _forge(contents) == small
    for name in ("../evil", "/evil", "evil.sh", "pooled/../../evil", "c:/evil"):
        with pytest.raises(HeatpoolError, match="cannot be a file"):
            ArchiveSource(MemoryFile(_forge({**contents, name: b"x"})))
    for size in (0, 10**15):  # a size that lies, and a bomb
        with pytest.raises(HeatpoolError, match="bytes by its manifest"):
            ArchiveSource(MemoryFile(_forge(contents, claimed={"zarr.json": size})))
    with pytest.raises(HeatpoolError, match="status/c/0 is missing|label/c/0 is missing"):
        verify(ArchiveSource(MemoryFile(_forge({k: v for k, v in contents.items() if k != "label/c/0"}))))
    assert list(tmp_path.iterdir()) == []


def test_a_huge_manifest_is_refused_before_it_is_read(small: bytearray) -> None:
    data = bytearray(small)
    data[18:26] = (2**31).to_bytes(4, "little") * 2
    with pytest.raises(HeatpoolError, match=r"MANIFEST\.json claims 2,147,483,648 bytes"):
        ArchiveSource(MemoryFile(data))


def _frame_change(small: bytearray, offset: int, value: bytes) -> bytearray:
    """Change bytes of the central directory's entry of zarr.json."""
    data = bytearray(small)
    entry = data.rindex(b"PK\1\2")
    data[entry + offset : entry + offset + len(value)] = value
    return data


@pytest.mark.parametrize(
    ("offset", "value"),
    [(8, b"\1\0"), (10, b"\x08\0"), (38, (0o120777 << 16).to_bytes(4, "little")), (46, b"../x")],
    ids=["encrypted", "deflated", "symlink", "renamed"],
)
def test_zip_tricks_are_refused_and_leave_nothing(
    small: bytearray, tmp_path: Path, offset: int, value: bytes
) -> None:
    archive = ArchiveSource(MemoryFile(_frame_change(small, offset, value)))
    with pytest.raises(HeatpoolError, match="the zip structure at byte"):
        unpack(archive, tmp_path / "out.zarr")
    assert list(tmp_path.iterdir()) == []


def test_unpack_of_a_damaged_archive_leaves_nothing(small: bytearray, tmp_path: Path) -> None:
    source = ArchiveSource(MemoryFile(small))
    start, _ = source._places["label/c/0"]
    data = bytearray(small)
    data[start] ^= 1
    archive = ArchiveSource(MemoryFile(data))
    with pytest.raises(HeatpoolError, match=r"damaged: label/c/0"):
        unpack(archive, tmp_path / "out.zarr")
    with pytest.raises(HeatpoolError, match=r"damaged: label/c/0"):
        verify(archive)
    assert list(tmp_path.iterdir()) == []


def test_another_version_is_one_line(small: bytearray, tmp_path: Path) -> None:
    contents = _contents(small)
    contents["zarr.json"] = contents["zarr.json"].replace(b'"version": 2', b'"version": 7')
    archive = ArchiveSource(MemoryFile(_forge(contents)))
    with pytest.raises(HeatpoolError, match="version 7"):
        unpack(archive, tmp_path / "out.zarr")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.hpz").write_text("mine")
    (tmp_path / "dir").mkdir()
    for target in (tmp_path / "x.hpz", tmp_path / "dir"):
        with pytest.raises(HeatpoolError, match="already exists"):
            pack(folder / "s.zarr", target, card="")
        with pytest.raises(HeatpoolError, match="already exists"):
            unpack(open_archive(folder / "s.hpz"), target)
    assert (tmp_path / "x.hpz").read_text() == "mine"
    pack(folder / "s.zarr", tmp_path / "x.hpz", card="", overwrite=True)
    verify(open_archive(tmp_path / "x.hpz"))


def test_pack_takes_sound_finished_stores_only(tmp_path: Path) -> None:
    store = tmp_path / "s.zarr"
    make_store(store).close()
    (store / "notes.txt").write_text("mine")
    with pytest.raises(HeatpoolError, match=r"notes\.txt: not a file of the store"):
        pack(store, tmp_path / "x.hpz", card="")
    (store / "notes.txt").unlink()
    for name, target in (("c/1/0/0/0/1", "/etc/passwd"), ("c/9", "/etc")):
        (store / "pooled" / name).symlink_to(target)
        with pytest.raises(HeatpoolError, match="not a file of the store"):
            pack(store, tmp_path / "x.hpz", card="")
        (store / "pooled" / name).unlink()
    data = (chunk := store / "pooled/c/1/0/0/0/0").read_bytes()
    chunk.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.raises(HeatpoolError, match="pooled/c/1/0/0/0/0 changed since it was written"):
        pack(store, tmp_path / "x.hpz", card="")
    chunk.unlink()
    with pytest.raises(HeatpoolError, match="pooled/c/1/0/0/0/0 is missing"):
        pack(store, tmp_path / "x.hpz", card="")
    chunk.write_bytes(data)
    (store / "finished.json").unlink()
    with pytest.raises(HeatpoolError, match="expected a finished store"):
        pack(store, tmp_path / "x.hpz", card="")
    assert [path.name for path in tmp_path.iterdir()] == ["s.zarr"]


def test_the_card_is_kept_and_comes_back(folder: Path, tmp_path: Path) -> None:
    draft = store_card(FeatureStore.open(folder / "s.zarr"))
    for text in ("11 clips, 9 of them", "wave, sit down", "CC BY 4.0", "Someone 2025", "tiny", "ab" * 32):
        assert text in draft
    (tmp_path / "card.md").write_text("# Mine\nEdited: ü\n", encoding="utf-8")
    pack(folder / "s.zarr", tmp_path / "x.hpz", card=read_card(tmp_path / "card.md"))
    assert store_card(FeatureStore.open(tmp_path / "x.hpz")) == "# Mine\nEdited: ü\n"
    unpack(open_archive(tmp_path / "x.hpz"), tmp_path / "x.zarr")
    assert store_card(FeatureStore.open(tmp_path / "x.zarr")) == "# Mine\nEdited: ü\n"
    (tmp_path / "bad.md").write_bytes(b"\xff")
    with pytest.raises(HeatpoolError, match="UTF-8"):
        read_card(tmp_path / "bad.md")
    with pytest.raises(HeatpoolError, match="data card of at most"):
        pack(folder / "s.zarr", tmp_path / "y.hpz", card="x" * (MAX_CARD_BYTES + 1))


def test_a_bare_card_asks_for_what_is_missing(tmp_path: Path) -> None:
    spec = replace(make_spec(), licence="", citation="", source="")
    make_store(tmp_path / "s.zarr", spec=spec).close()
    assert draft_card(FeatureStore.open(tmp_path / "s.zarr")).count("please fill in") == 4
