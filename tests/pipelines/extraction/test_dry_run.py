"""`heatpool extract --dry-run` against the run that it forecasts."""

from __future__ import annotations

import re
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines import cli
from heatpool.pipelines.extraction import dry_run
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network

STEPS = 8
COUNTS = (9, 12, 16, 30, 40)


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    noise = np.random.default_rng(0).integers(0, 255, (max(COUNTS), 48, 64, 3), np.uint8)
    for at, count in enumerate(COUNTS):
        make_video(list(noise[:count]), f"videos/{at}.mp4")
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    return tmp_path / "videos"


@pytest.fixture
def options(tmp_path: Path) -> list[str]:
    network = heatmap_network(tmp_path / "pose.onnx")
    return [
        "--backend", "onnx", "--weights", str(network), "--tap", "brightness", "--detector", "full-frame",
        "--steps", str(STEPS), "--shard-clips", "4", "--device", "cpu", "--threads", "1", "--quiet",
    ]  # fmt: skip


def extract(videos: Path, out: Path, *options: str) -> int:
    return cli.main(["extract", "--videos", str(videos), "--out", str(out), *options])


def expected_reads() -> int:
    """By the rule: step t sits at (t + 0.5) n / T - 0.5 and reads its two neighbours."""
    reads = 0
    for count in COUNTS:
        at = [min(max((step + 0.5) * count / STEPS - 0.5, 0), count - 1) for step in range(STEPS)]
        reads += len({int(x) for x in at} | {min(int(x) + (x % 1 > 0), count - 1) for x in at})
    return reads


def test_it_says_what_the_run_does(
    videos: Path, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "features.zarr"
    before = sorted(tmp_path.rglob("*"))
    assert extract(videos, out, *options, "--dry-run") == 0
    assert sorted(tmp_path.rglob("*")) == before  # nothing is written, not even the folder
    said, errors = capsys.readouterr()
    assert "warning" not in errors
    lines = dict(line.split(maxsplit=1) for line in said.splitlines() if line[0] != " ")
    assert lines["clips"] == "6"
    assert "16.7% of them cannot be read" in said
    assert lines["frames"] == f"{expected_reads()} will be read"
    assert re.fullmatch(r"\d+ s by one process, as 5 clips took it", lines["time"])
    assert lines["disk"].endswith(f"free at {tmp_path}")

    out.parent.mkdir()
    assert extract(videos, out, *options) == 3
    sizes = FeatureStore.open(out).bytes_by_array()
    told = dict(re.findall(r"(\w+) ([\d.]+ \w+)(?:,|$)", lines["store"].partition(": ")[2]))
    assert told.keys() == set(FeatureStore.open(out).layout.features)
    for name in ("pooled", "keypoints"):  # the others are a few bytes beside their metadata
        number, unit = told[name].split()
        forecast = float(number) * {"bytes": 1, "kB": 1e3}[unit]
        assert forecast == pytest.approx(sizes[name], rel=0.3), name


def test_it_estimates_many_clips_and_warns_of_a_full_disk(
    videos: Path,
    options: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (videos / "text.mp4").unlink()
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda path: usage(10_000, 8_500, 1_500))
    monkeypatch.setattr(dry_run, "_COUNTED_CLIPS", 3)
    out = tmp_path / "features.zarr"
    assert extract(videos, out, *options, "--dry-run") == 0
    said, errors = capsys.readouterr()
    assert "(estimated from 3 clips)" in said
    assert "the store does not fit: " in errors
    assert "1.5 kB free" in errors
    assert not out.exists()


def test_what_cannot_be_forecast(
    videos: Path, options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in videos.iterdir():
        path.write_text("no video")
    assert extract(videos, tmp_path / "features.zarr", *options, "--dry-run") == 1
    assert "none of 6 clips can be read; heatpool doctor says why" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        extract(videos, tmp_path / "features.zarr", *options, "--dry-run", "--resume")
    assert "expected --dry-run or --resume, got both" in capsys.readouterr().err
