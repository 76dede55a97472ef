"""Archives uploaded to stand-ins for the hub and for an object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from heatpool.pipelines.cli import main
from heatpool.pool.archive.hub import hub_readme
from heatpool.pool.archive.push import push_archive
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.sources import remote
from heatpool.pool.store.reader import FeatureStore
from tests.fixtures.hub_server import TOKEN, Hub, serving_hub
from tests.fixtures.s3_server import serving_bucket
from tests.pool.archive.archive_cases import pack_store
from tests.pool.store.store_cases import make_store

HERE = "hf://datasets/me/poses"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("push")
    make_store(folder / "s.zarr").close()
    pack_store(folder / "s.zarr", folder / "s.hpz")
    (folder / "other").mkdir()
    make_store(folder / "other/s.zarr", clips=9).close()
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with serving_hub(tmp_path) as hub:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield hub


def header(readme: bytes) -> dict:
    _, head, _ = readme.decode().split("---\n", 2)
    return yaml.safe_load(head)


def test_a_data_set_is_made_with_the_archive_and_its_card_in_one_commit(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["archive", "push", str(folder / "s.hpz"), HERE, "--private", "--quiet"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["s.hpz: new", "README.md: new"]
    assert said[2].startswith(f"pushed {HERE}/s.hpz: ")
    _, commit = hub.repos["me/poses"]
    assert commit["s.hpz"] == (folder / "s.hpz").read_bytes()
    assert hub.private["me/poses"]
    assert header(commit["README.md"]) == {
        "pretty_name": "Pooled heatmap features", "license": "cc-by-4.0", "size_categories": ["n<1K"],
        "task_categories": ["video-classification"], "viewer": False,
        "tags": ["heatpool", "action-recognition", "skeleton", "human-pose"],
    }  # fmt: skip
    assert f"heatpool train --features {HERE}/s.hpz\n" in commit["README.md"].decode()
    assert len(FeatureStore.open(f"{HERE}/s.hpz")) == 11


def test_a_store_is_packed_first_and_the_same_again_changes_nothing(
    folder: Path, hub: Hub, capsys: pytest.CaptureFixture[str]
) -> None:
    push_archive(folder / "s.hpz", HERE)
    assert main(["archive", "push", str(folder / "s.zarr"), HERE]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "s.hpz: there already"
    assert len(hub.repos["me/poses"]) == 2


def test_other_content_is_replaced_only_when_asked_to(folder: Path, hub: Hub) -> None:
    push_archive(folder / "s.hpz", HERE)
    other = folder / "other/s.zarr"
    with pytest.raises(
        HeatpoolError, match=r"there already: s\.hpz, README\.md; replace it with --overwrite, or"
    ):
        push_archive(other, HERE)
    with pytest.raises(HeatpoolError, match=r"there already: s\.hpz; replace it with --overwrite$"):
        push_archive(other, HERE, card=False)
    assert push_archive(other, f"{HERE}/nine.hpz", card=False).files == {"nine.hpz": "new"}
    assert push_archive(other, HERE, overwrite=True, dry_run=True).files == {
        "s.hpz": "replaced",
        "README.md": "replaced",
    }
    assert len(FeatureStore.open(f"{HERE}/s.hpz")) == 11
    assert push_archive(other, HERE, overwrite=True).files == {"s.hpz": "replaced", "README.md": "replaced"}
    assert [len(FeatureStore.open(f"{HERE}/{name}")) for name in ("s.hpz", "nine.hpz")] == [9, 9]


def test_a_dry_run_makes_nothing(folder: Path, hub: Hub) -> None:
    assert push_archive(folder / "s.hpz", HERE, dry_run=True).files == {"s.hpz": "new", "README.md": "new"}
    assert (hub.repos, hub.large) == ({}, {})


def test_without_a_login_nothing_is_asked(folder: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HeatpoolError, match="expected a login to the hub; hf auth login, or HF_TOKEN"):
        push_archive(folder / "s.hpz", HERE)
    assert hub.requests == []
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(HeatpoolError, match="the hub does not know the token"):
        push_archive(folder / "s.hpz", HERE)


def refuse(path: str, code: int) -> Callable[[Hub], None]:
    return lambda hub: hub.refuse.update({path: code})


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (refuse("/api/repos/create", 403), r"the token may not write there \(HTTP 403\)"),
        (refuse("/commit/", 412), r"somebody else wrote there meanwhile \(HTTP 412\); push again"),
        (refuse("/revision/", 503), r"the hub answers with errors \(HTTP 503\); try again later"),
        (refuse("/preupload/", 400), r"the hub refuses \(HTTP 400: no\)"),
        (lambda hub: setattr(hub, "damage", True), r"s\.hpz, README\.md arrived as other bytes; push again"),
    ],
)
def test_what_goes_wrong_at_the_hub_is_one_line_and_nothing_half_done(
    folder: Path, hub: Hub, spoil: Callable[[Hub], None], line: str
) -> None:
    spoil(hub)
    with pytest.raises(HeatpoolError, match=rf"^{HERE}/s\.hpz: {line}") as error:
        push_archive(folder / "s.hpz", HERE)
    assert len(str(error.value).splitlines()) == 1
    assert all(len(commits) == 1 for commits in hub.repos.values()) or hub.damage


def test_a_revision_that_is_not_there_is_one_line(folder: Path, hub: Hub) -> None:
    push_archive(folder / "s.hpz", HERE)
    with pytest.raises(HeatpoolError, match="poses@draft/s.hpz: no such revision there"):
        push_archive(folder / "s.hpz", f"{HERE}@draft")


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("", {"license": "unknown"}),
        ("CC BY-NC-SA 4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("Research only, see the site", {"license": "other", "license_name": "research-only-see-the-site"}),
    ],
)
def test_licences_are_the_hubs_words_or_named(folder: Path, licence: str, expected: dict[str, str]) -> None:
    store = FeatureStore.open(folder / "s.zarr")
    store.spec = replace(store.spec, licence=licence)
    found = header(hub_readme(store, "# Poses\n", address=f"{HERE}/s.hpz").encode())
    assert {name: found[name] for name in found if name.startswith("license")} == expected
    assert found["pretty_name"] == "Poses"


def test_a_card_with_a_header_of_its_own_keeps_it(folder: Path) -> None:
    store, card = FeatureStore.open(folder / "s.zarr"), "---\nlicense: mit\n---\n\n# Mine\n"
    assert hub_readme(store, card, address=f"{HERE}/s.hpz") == card


@pytest.mark.parametrize("part_bytes", [1 << 24, 1 << 14])
def test_an_object_store_gets_the_archive_whole(
    folder: Path, part_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "_PART_BYTES", part_bytes)  # the small one: an upload in parts
    with serving_bucket() as bucket:
        assert push_archive(folder / "s.hpz", "s3://bucket/deep", dry_run=True).files == {
            "s3://bucket/deep/s.hpz": "new"
        }
        assert bucket.objects == {}
        assert push_archive(folder / "s.hpz", "s3://bucket/deep").address == "s3://bucket/deep/s.hpz"
        assert bucket.objects == {"deep/s.hpz": (folder / "s.hpz").read_bytes()}
        assert push_archive(folder / "s.zarr", "s3://bucket/deep").files == {
            "s3://bucket/deep/s.hpz": "there already"
        }
        with pytest.raises(
            HeatpoolError, match="other content is there already; replace it with --overwrite"
        ):
            push_archive(folder / "other/s.zarr", "s3://bucket/deep")
        push_archive(folder / "other/s.zarr", "s3://bucket/deep", overwrite=True)
        assert len(FeatureStore.open("s3://bucket/deep/s.hpz")) == 9


def test_a_damaged_archive_and_a_web_server_take_nothing(folder: Path, tmp_path: Path, hub: Hub) -> None:
    data = bytearray((folder / "s.hpz").read_bytes())
    data[-2000] ^= 1
    (tmp_path / "s.hpz").write_bytes(data)
    with pytest.raises(HeatpoolError, match=r"s\.hpz: (damaged|refused)"):
        push_archive(tmp_path / "s.hpz", HERE)
    assert hub.requests == []
    with pytest.raises(HeatpoolError, match="expected hf://datasets/… or an object store, got a web server"):
        push_archive(folder / "s.hpz", "https://example.org/s.hpz")
    with pytest.raises(HeatpoolError, match=r"none\.hpz"):
        push_archive(folder / "none.hpz", HERE)
