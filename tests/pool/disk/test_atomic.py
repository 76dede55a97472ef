"""Files and folders appear whole or not at all, and what exists is refused in one wording."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from heatpool.pool.disk import atomic
from heatpool.pool.disk.atomic import (
    atomic_file,
    atomic_folder,
    refuse_existing,
    write_bytes,
    write_json,
    write_text,
)
from heatpool.pool.disk.files import disk_reason, temp_name
from heatpool.pool.disk.swap import swap_folders
from heatpool.pool.errors import HeatpoolError
from tests.paths import ROOT

REFUSAL = r"^{} already exists; choose another or replace it with --overwrite$"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "out.csv"
    with atomic_file(path) as aside:
        assert (aside.name, aside.suffix) == ("out.csv", ".csv")
        aside.write_text("half")
        assert not path.exists()
        aside.write_text("whole")
    assert path.read_text() == "whole"
    assert names(path.parent) == ["out.csv"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_error_in_the_block_leaves_nothing_and_the_old_as_it_was(
    tmp_path: Path, make, overwrite: bool
) -> None:
    path = tmp_path / "out"
    if overwrite:
        with make(path) as aside:
            (aside if make is atomic_file else aside / "in").write_text("old")

    def fail() -> None:
        with make(path, overwrite) as aside:
            (aside if make is atomic_file else aside / "in").write_text("new")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert names(tmp_path) == (["out"] if overwrite else [])
    if overwrite:
        assert (path if make is atomic_file else path / "in").read_text() == "old"


@pytest.mark.parametrize("at_once", [True, False])
def test_a_folder_appears_when_the_block_ends_and_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(atomic, "swap_folders", lambda one, other: False)
    path = tmp_path / "my-run"
    with atomic_folder(path) as aside:
        (aside / "a").write_text("1")
        assert not path.exists()
    steps: list[str] = []
    with atomic_folder(path, overwrite=True, on_step=steps.append) as aside:
        assert names(aside) == []
        (aside / "b").write_text("2")
        assert names(path) == ["a"]
    assert names(path) == ["b"]
    assert names(tmp_path) == ["my-run"]
    assert steps == ["flushed", *([] if at_once else ["moved the old one away"]), "in place"]


def test_folders_change_places(tmp_path: Path) -> None:
    """On the file systems that tests run on; who cannot says so and leaves both as they are."""
    one, other = tmp_path / "one", tmp_path / "other"
    write_text(one / "a", "1")
    write_text(other / "b", "2")
    assert swap_folders(one, other)
    assert (names(one), names(other)) == (["b"], ["a"])
    with pytest.raises(FileNotFoundError):
        swap_folders(one, tmp_path / "nowhere")


def test_the_old_folder_comes_back_when_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(atomic, "swap_folders", lambda one, other: False)
    path = tmp_path / "out"
    write_text(path / "old", "1")

    def stop(step: str) -> None:
        if step == "moved the old one away":
            assert not path.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), atomic_folder(path, overwrite=True, on_step=stop):
        pass
    assert names(path) == ["old"]
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("kind", ["file", "folder", "broken link"])
def test_what_exists_is_refused_in_one_wording(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    refuse_existing(path)
    if kind == "file":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "nowhere")
    wording = REFUSAL.format(path)
    with pytest.raises(HeatpoolError, match=wording):
        refuse_existing(path)
    with pytest.raises(HeatpoolError, match=wording), atomic_file(path):
        pass
    with pytest.raises(HeatpoolError, match=wording), atomic_folder(path):
        pass
    with pytest.raises(HeatpoolError, match=r"choose another, resume it with --resume or replace it"):
        refuse_existing(path, resumable=True)
    refuse_existing(path, overwrite=True)
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("make", [atomic_file, atomic_folder])
def test_what_another_made_meanwhile_is_not_replaced(tmp_path: Path, make) -> None:
    path = tmp_path / "out"

    def write() -> None:
        with make(path) as aside:
            (aside if make is atomic_file else aside / "in").write_text("mine")
            path.write_text("theirs")

    with pytest.raises(HeatpoolError, match=REFUSAL.format(path)):
        write()
    assert path.read_text() == "theirs"
    assert names(tmp_path) == ["out"]


def test_a_file_does_not_replace_a_folder_nor_a_folder_a_file(tmp_path: Path) -> None:
    (tmp_path / "out" / "in").mkdir(parents=True)
    with pytest.raises(HeatpoolError, match=r"out: cannot be written \(Is a directory\)"):
        write_bytes(tmp_path / "out", b"", overwrite=True)
    assert names(tmp_path / "out") == ["in"]
    (tmp_path / "file").write_text("1")
    with (
        pytest.raises(HeatpoolError, match=r"file: cannot be written \(Not a directory\)"),
        atomic_folder(tmp_path / "file", overwrite=True),
    ):
        pytest.fail("hours of work")
    assert (tmp_path / "file").read_text() == "1"
    assert names(tmp_path) == ["file", "out"]


def test_a_disk_that_refuses_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HeatpoolError, match=r"^.*file/out: cannot be written \(File exists\)$"):
        write_bytes(tmp_path / "file" / "out", b"")

    def full(aside: Path) -> None:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(HeatpoolError, match=r"out: cannot be written \(No space left on device\)"),
        atomic_file(tmp_path / "out") as aside,
    ):
        full(aside)
    assert names(tmp_path) == ["file"]


def test_what_a_library_says_of_a_full_disk_is_its_reason_alone(tmp_path: Path) -> None:
    """As h5py has it: no errno, several lines, the temporary name."""
    told = OSError("[Errno 28] Can't synchronously write data\n(file write failed: errno = 28, buf = 0x5)")
    told.errno = None
    assert disk_reason(told) == "No space left on device"
    assert disk_reason(OSError("broken\nmore")) == "broken"

    def full(aside: Path) -> None:
        error = HeatpoolError(f"{aside}: cannot write shard 3 (No space left on device); use --resume")
        raise error from OSError(28, "No space left on device")

    for make in (atomic_file, atomic_folder):
        with (
            pytest.raises(HeatpoolError, match=r"^\S*/o-ut: cannot be written \(No space left on device\)$"),
            make(tmp_path / "o-ut") as aside,
        ):
            full(aside)
    assert not names(tmp_path)


def test_a_link_to_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "store")
    with (
        pytest.raises(HeatpoolError, match=rf"link is a link: replace what it leads to, {tmp_path}/store"),
        atomic_folder(tmp_path / "link", overwrite=True),
    ):
        pytest.fail("hours of work")
    assert names(tmp_path) == ["link", "store"]


def test_leftovers_of_dead_writers_go_and_those_of_living_ones_stay(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import sys, time\nfrom heatpool.pool.disk.atomic import atomic_folder\n"
        "with atomic_folder(sys.argv[1]) as aside:\n"
        "    (aside / 'half').touch()\n    print(aside.name, flush=True)\n    time.sleep(60)\n"
    )
    path = tmp_path / "out-1"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        left = writer.stdout.readline().strip()
        write_text(path, "first")
        assert names(tmp_path) == [left, "out-1"]
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        other = left.replace("out_1", "other")  # of another file of the same dead process
        (tmp_path / other).mkdir()
        (tmp_path / f".tmp-other-elsewhere-{os.getpid()}").mkdir()
    (tmp_path / temp_name("out_1")).mkdir()  # of a dead process with the number of this one
    with caplog.at_level(logging.INFO, logger="heatpool"):
        write_text(path, "second", overwrite=True)
        write_text(path, "third", overwrite=True)
    assert names(tmp_path) == [f".tmp-other-elsewhere-{os.getpid()}", "out-1"]
    gone = [f"removed {tmp_path / name}, which a process that no longer runs left" for name in (other, left)]
    assert caplog.messages == gone


def test_bytes_are_flushed_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("flush_file", "flush_folder"):
        monkeypatch.setattr(atomic, name, lambda path, name=name: calls.append(f"{name} {path.name}"))
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    write_bytes(tmp_path / "out", b"1")
    assert calls == ["flush_file out", "replace", f"flush_folder {tmp_path.name}"]


def test_text_and_json(tmp_path: Path) -> None:
    write_text(tmp_path / "t", "a\r\nä\n")
    assert (tmp_path / "t").read_bytes() == "a\r\nä\n".encode()
    value = {"a": [1, 2.5, None], "path": "odd \udcff"}
    write_json(tmp_path / "j", value)
    assert json.loads((tmp_path / "j").read_bytes()) == value
    with pytest.raises(HeatpoolError, match="already exists"):
        write_json(tmp_path / "j", 1)
    write_json(tmp_path / "j", 1, overwrite=True)
    assert (tmp_path / "j").read_text() == "1\n"
