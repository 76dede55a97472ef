from __future__ import annotations

import json
import zipfile
import zlib
from pathlib import Path

import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources.archive_format import (
    CARD,
    MANIFEST,
    Member,
    ZipLayout,
    is_store_file,
    manifest_bytes,
    parse_first_header,
    parse_manifest,
)

ZERO = "0" * 64


def write_zip(path: Path, members: list[Member], contents: dict[str, bytes]) -> ZipLayout:
    layout = ZipLayout(members)
    with path.open("wb") as file:
        file.truncate(layout.size)
        for position, piece in layout.frame():
            file.seek(position)
            file.write(piece)
        for member, start in zip(members, layout.starts, strict=True):
            file.seek(start)
            file.write(contents.get(member.name, b""))
    return layout


def test_a_zip_reader_finds_what_was_laid_out(tmp_path: Path) -> None:
    contents = {"a.json": b"hello", "b/c.0": b"", "b/c.1": bytes(range(256))}
    members = [Member(name, len(data), crc32=zlib.crc32(data)) for name, data in contents.items()]
    write_zip(tmp_path / "x.zip", members, contents)
    with zipfile.ZipFile(tmp_path / "x.zip") as file:
        assert file.testzip() is None
        assert {info.filename: file.read(info) for info in file.infolist()} == contents
        assert {info.date_time for info in file.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_STORED}


def test_large_members_and_many_members_use_zip64(tmp_path: Path) -> None:
    # The large one is a hole in a sparse file: nothing of it is written.
    members = [Member("a", 5), Member("big", 5_000_000_000), Member("late", 3, crc32=zlib.crc32(b"end"))]
    members += [Member(f"many/c.{number}", 0) for number in range(70_000)]
    layout = write_zip(tmp_path / "x.zip", members, {"late": b"end"})
    with zipfile.ZipFile(tmp_path / "x.zip") as file:
        infos = file.infolist()
        assert len(infos) == len(members)
        assert [(info.filename, info.file_size) for info in infos[:3]] == [
            (member.name, member.size) for member in members[:3]
        ]
        assert file.read("late") == b"end"
    assert (tmp_path / "x.zip").stat().st_size == layout.size


def test_the_first_header_is_known_by_its_bytes(tmp_path: Path) -> None:
    layout = write_zip(tmp_path / "x.zip", [Member(MANIFEST, 7, crc32=9)], {})
    head = (tmp_path / "x.zip").read_bytes()
    assert parse_first_header(head) == Member(MANIFEST, 7, crc32=9)
    assert parse_first_header(head[:20]) is None
    for place in (*range(14), *range(22, layout.starts[0])):  # all but checksum and sizes
        assert parse_first_header(head[:place] + bytes([head[place] ^ 1]) + head[place + 1 :]) is None, place


@pytest.mark.parametrize(
    "name",
    [
        "../zarr.json", "/etc/passwd", "pooled/../../x", "pooled/c.0.exe", "pooled/x/c.0", "pooled\\c.0",
        "C:/c.0", "run.json", "evil.sh", ".tmp-x", "pooled/.c.0", "pooled/c.0\n", "journal/٠٠٠٠٠٠٠.json", "",
        "pooled/c/0.0", "pooled/c/0/", "pooled/c", "pooled/c/x/0", "pooled/c/0/../0", "pooled//c/0",
        "é/c.0", "MANIFEST.json", "pooled/", "finished.json/c.0/x",
    ],
)  # fmt: skip
def test_only_files_of_a_store_are_members(name: str) -> None:
    assert not is_store_file(name)
    data = manifest_bytes([Member(CARD, 1, ZERO), Member(name, 1, ZERO), Member("zarr.json", 1, ZERO)])
    with pytest.raises(HeatpoolError, match="cannot be a file of a feature store"):
        parse_manifest(data, name="x.hpz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "expected heatpool-archive version 1 or 2, got heatpool-archive version 3"),
        ({"version": 2}, "not written as heatpool writes it"),  # with names of version 1
        ({"format": "other"}, "got other version 1"),
        ({"members": []}, "refused"),
        ({"members": {"zarr.json": {"bytes": -1, "sha256": ZERO}}}, "no proper size"),
        ({"members": {"zarr.json": {"bytes": True, "sha256": ZERO}}}, "no proper size"),
        ({"members": {"zarr.json": {"bytes": 1, "sha256": "x"}}}, "no proper size"),
        ({"members": {"zarr.json": {"bytes": 1, "sha256": ZERO}}}, "lacks README.md"),
        ({"extra": 1}, "not written as heatpool writes it"),
    ],
)
def test_a_strange_manifest_is_one_clear_line(change: dict, message: str) -> None:
    members = [Member(CARD, 1, ZERO), Member("zarr.json", 1, ZERO)]
    body = json.loads(manifest_bytes(members)) | change
    data = json.dumps(body, indent=1, sort_keys=True).encode() + b"\n"
    with pytest.raises(HeatpoolError, match=message) as error:
        parse_manifest(data, name="x.hpz")
    assert "\n" not in str(error.value)


def test_no_member_is_the_folder_of_another() -> None:
    names = ["a/c/0", "a/c/0/0", "b/c/0/0", "zarr.json", CARD]
    with pytest.raises(HeatpoolError, match="two depths"):
        parse_manifest(manifest_bytes([Member(name, 1, ZERO) for name in names]), name="x")
    assert len(parse_manifest(manifest_bytes([Member(name, 1, ZERO) for name in names[1:]]), name="x")) == 4


def test_names_that_differ_in_case_only_or_repeat_are_refused() -> None:
    names = ["a/c.0", "A/c.0", "zarr.json", CARD]
    with pytest.raises(HeatpoolError, match="differ in case"):
        parse_manifest(manifest_bytes([Member(name, 1, ZERO) for name in names]), name="x")
    data = manifest_bytes([Member(CARD, 1, ZERO), Member("zarr.json", 1, ZERO)])
    entry = data[data.index(b'  "zarr.json"') : data.index(b"\n }")]
    with pytest.raises(HeatpoolError, match="not written as heatpool"):
        parse_manifest(data.replace(entry, entry + b",\n" + entry), name="x")
