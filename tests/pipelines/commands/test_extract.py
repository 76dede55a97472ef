"""Stage one as users run it: real processes, real video files, real stores."""

from __future__ import annotations

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from heatpool.pipelines import cli
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.paths import SHARED
from tests.pipelines.program import PROGRAM, run_program, said


def extract(*words: str | Path) -> int:
    """The exit code of the command in this process."""
    return cli.main(["extract", *map(str, words)])


def moving_block(count: int, step: int) -> list[np.ndarray]:
    frames = []
    for number in range(count):
        frame = np.full((48, 64, 3), 15, np.uint8)
        frame[10:40, (step * number) % 40 : (step * number) % 40 + 16] = 40 + 3 * step
        frames.append(frame)
    return frames


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    """Five good clips of two classes, and one text file named .mp4."""
    for number in range(5):
        make_video(moving_block(9 + number, 3 + number), f"videos/{'ab'[number % 2]}/{number}.mp4")
    (tmp_path / "videos" / "a" / "text.mp4").write_text("no video")
    return tmp_path / "videos"


@pytest.fixture
def options(tmp_path: Path) -> list[str | Path]:
    network = heatmap_network(tmp_path / "pose.onnx")
    return [
        "--backend", "onnx", "--weights", network, "--tap", "brightness", "--detector", "full-frame",
        "--steps", "8", "--persons", "2", "--shard-clips", "1", "--device", "cpu", "--threads", "1",
    ]  # fmt: skip


def array_bytes(store: Path) -> dict[str, str]:
    """Digest of every file of the arrays, by name; journal and run.json tell of the run, not of the data."""
    files = [path for path in sorted(store.rglob("*")) if path.is_file()]
    names = {path: path.relative_to(store).as_posix() for path in files}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path, name in names.items()
        if not name.startswith(("journal/", "run.json", "failures.csv", "finished.json"))
    }


def test_a_folder_becomes_a_store(
    videos: Path, options: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "features.zarr"
    done = run_program("extract", "--videos", videos, "--out", out, *options)
    assert done.returncode == 3, done.stderr  # finished, but one clip failed
    assert "5 ok, 1 failed" in done.stderr
    assert "Traceback" not in done.stderr
    store = FeatureStore.open(out)
    assert store.clips.index.clip_id == ("a/0", "a/2", "a/4", "a/text", "b/1", "b/3")
    assert store.clips.index.class_names == ("a", "b")
    failed = store.clips.index.clip_id.index("a/text")
    assert store.clips.status[failed] == Status.FAILED
    assert store.clips.frames.tolist() == [9, 11, 13, 0, 10, 12]
    with (out / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip_id"] for row in rows] == ["a/text"]
    assert "cannot open text.mp4" in rows[0]["message"]

    with xr.open_zarr(out) as data:
        assert data["pooled"].dims == ("clip", "person", "step", "joint", "channel")
        assert data["pooled"].shape == (6, 2, 8, 17, 4)
        assert data["mask"].dims == ("clip", "person", "step")
        assert data["mask"].values[0].tolist() == [[True] * 8, [False] * 8]
        pooled = data["pooled"].values.astype(np.float32)
    np.testing.assert_allclose(
        pooled[0, 0, ..., 1], 2 * pooled[0, 0, ..., 0], atol=2e-3
    )  # as the network has it
    assert not pooled[failed].any()

    assert cli.main(["info", "--store", str(out)]) == 0
    info = capsys.readouterr().out
    assert "(N, M, T, V, C) = (6, 2, 8, 17, 4)" in info
    assert "6: 5 ok, 1 failed" in info


def test_an_existing_store_is_not_touched(
    videos: Path, options: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--videos", videos, "--out", out := tmp_path / "features.zarr", *options]
    shutil.rmtree(videos / "b")
    (videos / "a" / "text.mp4").unlink()
    assert extract(*arguments) == 0
    before = array_bytes(out)
    capsys.readouterr()
    assert extract(*arguments, "--quiet") == 1
    assert said(capsys).endswith("choose another, resume it with --resume or replace it with --overwrite")
    assert extract(*arguments, "--resume", "--steps", "9") == 1
    assert "steps" in capsys.readouterr().err
    assert array_bytes(out) == before
    assert extract(*arguments, "--resume") == 0
    assert extract(*arguments, "--overwrite") == 0
    assert array_bytes(out) == before


def test_a_killed_run_resumed_has_the_same_bytes(
    videos: Path, options: list[str | Path], tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole.zarr", tmp_path / "broken.zarr"
    assert extract("--videos", videos, "--out", whole, *options) == 3
    command = [*PROGRAM, "extract", "--videos", videos, "--out", broken, *options]
    process = subprocess.Popen([str(word) for word in command], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 120
    while len(list(broken.glob("journal/**/*.json"))) < 2 and time.monotonic() < end:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "the run ended before it could be killed"
    done = sum(1 for _ in broken.glob("journal/**/*.json"))
    assert 2 <= done < 6, f"killed after {done} of 6 shards: not in the middle"
    assert extract("--videos", videos, "--out", broken, *options, "--resume") == 3
    assert array_bytes(broken) == array_bytes(whole)
    assert (broken / "failures.csv").read_bytes() == (whole / "failures.csv").read_bytes()


def test_a_second_run_is_one_clear_line_and_harms_nothing(
    videos: Path, options: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, twice = tmp_path / "whole.zarr", tmp_path / "twice.zarr"
    assert extract("--videos", videos, "--out", whole, *options) == 3
    arguments = ["--videos", videos, "--out", twice, *options]
    first = subprocess.Popen([*PROGRAM, "extract", *map(str, arguments)], stderr=subprocess.DEVNULL)
    while not (twice / ".lock-writer").exists():
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGSTOP)
    for more in ("--resume", "--overwrite"):
        capsys.readouterr()
        assert extract(*arguments, more, "--quiet") == 1
        assert said(capsys).startswith(
            f"heatpool extract: {twice} is being written by process {first.pid} on "
        )
    first.send_signal(signal.SIGCONT)
    assert first.wait() == 3
    assert array_bytes(twice) == array_bytes(whole)


def test_extraction_in_one_byte_a_value_equals_conversion(
    videos: Path, options: list[str | Path], tmp_path: Path
) -> None:
    f2, u1, converted = (tmp_path / f"{name}.zarr" for name in ("f2", "u1", "converted"))
    assert extract("--videos", videos, "--out", f2, *options) == 3
    assert extract("--videos", videos, "--out", u1, *options, "--precision", "u1") == 3
    assert cli.main(["convert", str(f2), str(converted), "--precision", "u1"]) == 0
    assert array_bytes(u1) == array_bytes(converted)


def test_an_output_that_cannot_be_written_is_said(
    videos: Path, options: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert extract("--videos", videos, "--out", tmp_path / "file" / "x.zarr", *options, "--quiet") == 1
    assert "x.zarr" in said(capsys)


def test_nothing_but_bad_clips_is_an_error(
    options: list[str | Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "a.mp4").write_text("no video")
    assert extract("--videos", tmp_path / "videos", "--out", tmp_path / "x.zarr", *options) == 1
    assert "no clip gave features" in capsys.readouterr().err


@pytest.mark.skipif(not SHARED.is_dir(), reason="real clips are not here")
def test_real_people_through_a_real_network(tmp_path: Path) -> None:
    out = tmp_path / "ntu.zarr"
    code = extract(
        "--videos", SHARED / "videos/ntu", "--out", out, "--backend", "onnx",
        "--weights", SHARED / "weights/simplepose_mobilenetv2_256x192.onnx",
        "--tap", "hybridsequential0_relu4_fwd",
        "--detector", "boxes-file", "--boxes", SHARED / "videos/boxes.csv",
    )  # fmt: skip
    assert code == 0
    store = FeatureStore.open(out)
    spec = store.spec
    assert (len(store), spec.persons, spec.steps, spec.joints, spec.channels) == (2, 2, 64, 17, 128)
    assert store.clips.persons.tolist() == [1, 2]
    drink = store.read(np.array([0]), arrays=("pooled", "keypoints", "mask"))
    assert not drink["pooled"][0, 1].any()
    assert drink["mask"][0].all(1).tolist() == [True, False]
    joints = drink["keypoints"][0, 0].astype(np.float32).mean(0)
    assert (joints[:, 2] > 0.6).all()  # the network is sure of this frontal, whole person
    assert (
        joints[0, 1] < joints[5, 1] < joints[11, 1] < joints[13, 1] < joints[15, 1]
    )  # nose … ankle, downwards
    assert joints[5, 0] > joints[6, 0]  # facing the camera, the left shoulder is on the right


@pytest.mark.skipif(not SHARED.is_dir(), reason="real clips are not here")
def test_a_truncated_real_video_gives_what_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = SHARED / "videos/ntu/S001C001P001R001A050_rgb.avi", tmp_path / "x.zarr"
    content = video.read_bytes()
    (tmp_path / video.name).write_bytes(content[: len(content) * 6 // 10])
    code = extract(
        "--videos", tmp_path / video.name, "--out", out, "--backend", "onnx",
        "--weights", SHARED / "weights/simplepose_mobilenetv2_256x192.onnx",
        "--tap", "hybridsequential0_relu4_fwd", "--detector", "full-frame", "--steps", "8",
    )  # fmt: skip
    assert code == 3
    assert "1 truncated" in capsys.readouterr().err
    store = FeatureStore.open(out)
    assert store.clips.status.tolist() == [Status.TRUNCATED]
    assert 30 < store.clips.frames[0] < 74  # of 74
    read = store.read(np.array([0]), arrays=("pooled", "mask"))
    assert read["mask"][0, 0].all()
    assert read["pooled"][0, 0].any((1, 2)).all()
    with (out / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["status"] for row in rows] == ["truncated"]
    assert f"{store.clips.frames[0]}" in rows[0]["message"]
