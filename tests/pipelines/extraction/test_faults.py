"""Faults as they happen, by real processes: each ends in the right exit code and a line that says it."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.pipelines.extraction.cluster_cases import (
    array_bytes,
    finish,
    heatpool,
    journalled,
    make_clips,
    network_options,
)

CLIPS = 4
CRASHING = "01.mp4"

# Loaded by every Python that starts with this folder on its path: the decoder of one clip reads address 0.
_CRASH = f"""
import ctypes
import heatpool.extract.video.reader

decode = heatpool.extract.video.reader.iter_frames

def crash(path, *rest, **more):
    for number, frame in enumerate(decode(path, *rest, **more)):
        if path.name == {CRASHING!r} and number == 3:
            ctypes.string_at(0)
        yield frame

heatpool.extract.video.reader.iter_frames = crash
"""


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    return make_clips(make_video, tmp_path / "videos", clips=CLIPS, frames=20)


@pytest.fixture
def arguments(videos: Path, tmp_path: Path) -> list[str]:
    return ["extract", "--videos", str(videos), *network_options(tmp_path)]


@pytest.fixture
def crashing(tmp_path: Path) -> dict[str, str]:
    """An environment in which the decoder crashes at one clip."""
    return with_patch(tmp_path, _CRASH)


def with_patch(folder: Path, code: str) -> dict[str, str]:
    """An environment in which every Python runs some code first."""
    (folder / "site").mkdir()
    (folder / "site" / "sitecustomize.py").write_text(code)
    paths = [str(folder / "site"), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in paths if path)}


def failures(store: Path) -> list[tuple[str, str]]:
    with (store / "failures.csv").open(newline="") as file:
        return [(row["clip_id"], row["message"]) for row in csv.DictReader(file)]


def is_marked_and_the_others_are_there(out: Path, plain: Path) -> None:
    assert failures(out) == [("b/01", "decoding 01.mp4 ends the process (SIGSEGV)")]
    store, whole = FeatureStore.open(out), FeatureStore.open(plain)
    bad = store.clips.index.clip_id.index("b/01")
    assert store.clips.status.tolist() == [Status.FAILED if row == bad else Status.OK for row in range(CLIPS)]
    rows = store.clips.rows()
    assert len(rows) == CLIPS - 1
    for array in ("pooled", "keypoints", "mask"):
        assert (store.read(rows, arrays=(array,))[array] == whole.read(rows, arrays=(array,))[array]).all()


def test_a_crashing_decoder_in_the_plain_loop_is_found_by_resume(
    arguments: list[str], crashing: dict[str, str], tmp_path: Path
) -> None:
    out, plain = tmp_path / "x.zarr", tmp_path / "plain.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    assert finish(heatpool(*arguments, "--out", out, environment=crashing))[0] == -signal.SIGSEGV
    assert 0 < journalled(out) < CLIPS
    code, said = finish(heatpool(*arguments, "--out", out, "--resume", environment=crashing))
    assert code == 3, said
    assert sum("died; the shard was done again" in line for line in said) == 1
    is_marked_and_the_others_are_there(out, plain)


@pytest.mark.slow
def test_a_crashing_decoder_in_a_worker_is_found_by_the_run(
    arguments: list[str], crashing: dict[str, str], tmp_path: Path
) -> None:
    out, plain = tmp_path / "x.zarr", tmp_path / "plain.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    code, said = finish(heatpool(*arguments, "--out", out, "--workers", "1", environment=crashing))
    assert code == 3, said
    assert sum("died; the shard was done again" in line for line in said) == 1, said
    is_marked_and_the_others_are_there(out, plain)


# The process that writes shard 2 is killed, as a machine without memory does it; no clip is to blame.
_KILL = """
import os
import signal
from heatpool.pool.store.writer import StoreWriter

write = StoreWriter.write_shard

def kill(self, shard, *rest, **named):
    if shard == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return write(self, shard, *rest, **named)

StoreWriter.write_shard = kill
"""


def said_as_workers_ended(arguments: list[str], tmp_path: Path, patch: str) -> str:
    """First line of a run with one worker that a patch ends again and again; `--resume` completes it."""
    out, plain = tmp_path / "x.zarr", tmp_path / "plain.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    environment = with_patch(tmp_path, patch)
    code, said = finish(
        heatpool(*arguments, "--out", out, "--workers", "1", "--quiet", environment=environment)
    )
    assert code == 1, said
    assert finish(heatpool(*arguments, "--out", out, "--resume"))[0] == 0
    assert array_bytes(out) == array_bytes(plain)
    return said[0]  # Python's own resource tracker may complain below of what the killed processes left


@pytest.mark.slow
def test_a_shard_that_ends_every_worker_is_one_line(arguments: list[str], tmp_path: Path) -> None:
    assert said_as_workers_ended(arguments, tmp_path, _KILL) == (
        "heatpool extract: shard 2 ended its worker again and again although its clips can be decoded; "
        "check the memory of the machine, then use --resume"
    )


# A shard's record is gone once it was written: as if a second turn of it had died half way.
_LOSE = """
from pathlib import Path
from heatpool.pipelines.extraction.shards import Shard
from heatpool.pool.store.journal import record_key

do, turns = Shard.do, {turns}

def lose(self, *rest, **named):
    counts, told = do(self, *rest, **named), Path({told!r})
    if self.number == 2 and len(told.read_text() if told.exists() else "") < turns:
        with told.open("a") as file:
            file.write("x")
        (self.store / record_key(2)).unlink()
    return counts

Shard.do = lose
"""


def test_a_shard_that_is_lost_once_it_was_written_is_done_again(arguments: list[str], tmp_path: Path) -> None:
    out, plain = tmp_path / "x.zarr", tmp_path / "plain.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    patch = _LOSE.format(turns=4, told=str(tmp_path / "told"))
    environment = with_patch(tmp_path, patch)
    code, said = finish(heatpool(*arguments, "--out", out, "--quiet", environment=environment))
    assert code == 1
    assert said[-1].endswith(
        "shard 2 was lost again and again after it had been written; check that nothing else changes the "
        "store, then use --resume"
    )
    code, said = finish(heatpool(*arguments, "--out", out, "--resume", "--quiet", environment=environment))
    assert (code, said) == (0, ["shard 2 was lost after it had been written; it is done again"])
    assert array_bytes(out) == array_bytes(plain)


# Networks that do not fit into a worker, though the program itself could load them.
_KILL_LOADING = """
import multiprocessing, os, signal
import heatpool.pipelines.extraction.worker

build_estimator = heatpool.pipelines.extraction.worker.build_estimator

def kill(*given, **named):
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)
    return build_estimator(*given, **named)

heatpool.pipelines.extraction.worker.build_estimator = kill
"""


@pytest.mark.slow
def test_networks_that_end_every_worker_are_one_line(arguments: list[str], tmp_path: Path) -> None:
    assert said_as_workers_ended(arguments, tmp_path, _KILL_LOADING) == (
        "heatpool extract: workers end again and again before they begin a shard: check the memory of "
        "the machine, which has to hold the networks of each, then use --resume, perhaps with fewer "
        "workers"
    )


# A pipe is let through to FFmpeg.
_WAIT = """
import heatpool.extract.video.container

heatpool.extract.video.container.require_regular = lambda path: None
"""


@pytest.mark.parametrize("more", [[], pytest.param(["--workers", "1"], marks=pytest.mark.slow)])
def test_a_clip_that_hangs_costs_its_time_alone(
    arguments: list[str], videos: Path, tmp_path: Path, more: list[str]
) -> None:
    os.mkfifo(videos / "a" / "hangs.mp4")  # opening it waits for a writer that never comes
    names = sorted(videos.rglob("*.mp4"))
    rows = [f"{path.relative_to(videos).with_suffix('')},{path.relative_to(videos)},a" for path in names]
    (videos / "clips.csv").write_text("\n".join(["clip_id,path,class_name", *rows]) + "\n")
    one = [*arguments, "--out", tmp_path / "x.zarr", "--shard-clips", "8", "--clip-seconds", "3", *more]
    one[2] = videos / "clips.csv"
    code, said = finish(heatpool(*one, environment=with_patch(tmp_path, _WAIT)))
    assert code == 3, said
    assert failures(tmp_path / "x.zarr") == [
        ("a/hangs", "reading hangs.mp4 took more than 3 s (--clip-seconds)")
    ]
    assert len(FeatureStore.open(tmp_path / "x.zarr").clips.rows()) == CLIPS


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; skipped where none can be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a disk here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("more", [[], pytest.param(["--workers", "1"], marks=pytest.mark.slow)])
def test_a_full_disk_is_one_line_and_resume_completes(
    arguments: list[str], small_disk: Path, more: list[str]
) -> None:
    out, filler = small_disk / "x.zarr", small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    assert finish(heatpool(*arguments, "--out", out))[0] == 0
    whole, needed = array_bytes(out), free - shutil.disk_usage(small_disk).free
    shutil.rmtree(out)
    filler.write_bytes(b"x" * (free - int(0.87 * needed)))  # room for the metadata and some of the shards
    code, said = finish(heatpool(*arguments, "--out", out, "--quiet", *more))
    assert code == 1, said
    assert len(said) == 1, said
    assert "No space left on device" in said[0]
    before = journalled(out)
    assert 0 < before < CLIPS
    filler.unlink()
    code, said = finish(heatpool(*arguments, "--out", out, "--resume"))
    assert code == 0, said
    assert array_bytes(out) == whole


@pytest.fixture
def read_only(videos: Path) -> Iterator[None]:
    """The videos' folder as a mount that cannot be written, which holds for root too."""
    bind = ["mount", "--bind", str(videos), str(videos)]
    if subprocess.run(bind, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount here")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(videos)], check=True)
    yield
    subprocess.run(["umount", str(videos)], check=True)


@pytest.mark.usefixtures("read_only")
def test_read_only_videos(arguments: list[str], tmp_path: Path) -> None:
    code, said = finish(heatpool(*arguments, "--quiet"))  # the store would go beside them
    assert code == 1
    assert len(said) == 1, said
    assert "Read-only file system" in said[0]
    code, said = finish(heatpool(*arguments, "--quiet", "--out", tmp_path / "x.zarr"))
    assert (code, said) == (0, [])


@pytest.mark.slow
def test_of_two_extracts_started_at_once_one_does_it_all(arguments: list[str], tmp_path: Path) -> None:
    plain = tmp_path / "plain.zarr"
    assert finish(heatpool(*arguments, "--out", plain))[0] == 0
    for number in range(3):
        out = tmp_path / f"{number}.zarr"
        runs = [heatpool(*arguments, "--out", out, "--quiet") for _ in range(2)]
        (good, nothing), (refused, said) = sorted(finish(run) for run in runs)
        assert (good, nothing, refused) == (0, [], 1), said
        assert len(said) == 1, said
        assert "already exists" in said[0] or "is being written by process" in said[0]
        assert array_bytes(out) == array_bytes(plain)
        assert not [path.name for path in tmp_path.glob(".tmp-*")]
