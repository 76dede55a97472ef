"""`heatpool forecast` by hand-made numbers, and against a store that is there."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest

from heatpool.pipelines import cli
from heatpool.pipelines.extraction.forecast import (
    CHANNELS,
    Estimate,
    feature_bytes,
    forecast,
    frames_read,
    journal_bytes,
    store_files,
)
from heatpool.pipelines.options import ForecastOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipFeatures, ClipIndex, ClipResult, Status
from heatpool.pool.store.layout import Layout
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.spec import StoreSpec
from heatpool.pool.store.writer import StoreWriter
from tests.paths import ROOT

GPU = ForecastOptions(
    1e6, frames=300, backend="hrnet-simcc", frames_per_second=400, workers=8, video_mb=1.7, persons=1,
)  # fmt: skip


def by_name(items: list[Estimate]) -> dict[str, float]:
    return {item.name: item.value for item in items}


def make_store(path: Path, *, clips: int, shard_clips: int, steps: int = 4, frames: int = 10) -> FeatureStore:
    """A finished store of one and two people in turn; its speed: two workers, 30 s and 50 s for all clips."""
    rng = np.random.default_rng(0)
    spec = StoreSpec(2, steps, 17, 8, "onnx", "map", "", {"frame_stride": 1})
    names = tuple(f"clip{number}" for number in range(clips))
    splits = {"xsub": np.ones(clips, np.uint8)}
    index = ClipIndex(
        names, names, np.zeros(clips, np.int32), ("a",), columns={"subject": names}, splits=splits
    )
    with StoreWriter.create(path, spec=spec, index=index, shard_clips=shard_clips) as writer:
        for shard in writer.pending_shards():
            features, results = [], []
            for row in writer.shard_rows(shard):
                mask = np.zeros((2, steps), bool)
                mask[: 1 + row % 2] = True
                features.append(
                    ClipFeatures(
                        pooled=(rng.random((2, steps, 17, 8)) * mask[..., None, None]).astype(np.float32),
                        keypoints=np.full((2, steps, 17, 3), 0.5, np.float32) * mask[..., None, None],
                        boxes=np.full((2, steps, 4), 0.5, np.float32) * mask[..., None],
                        mask=mask,
                        time_s=np.arange(steps, dtype=np.float32),
                    )
                )
                results.append(ClipResult(Status.OK, frames, 30.0, 64, 48, 1 + row % 2))
            writer.write_shard(shard, features, results)
        writer.finish()
    workers = {"a": {"seconds": 30.0}, "b": {"seconds": 50.0}}
    videos = path.parent / "videos"
    videos.mkdir()
    for name in names:
        (videos / name).write_bytes(bytes(2_000))
    facts = {"videos_root": str(videos), "throughput": {"clips": clips, "workers": workers}}
    (path / "run.json").write_text(json.dumps(facts))
    return FeatureStore.open(path)


def test_a_million_clips_on_gpus_by_hand() -> None:
    found = by_name(forecast(GPU))
    assert found["work"] == pytest.approx(1e6 * 300 / 400)  # 750,000 s = 208 h
    assert found["time"] == pytest.approx(750_000 / 8)
    # A person's pooled (docs/format.md), keypoints 64 x 17 x 6, boxes 64 x 8, mask 64; a clip's times 64 x 4.
    a_clip = 153_827 + 0.61 * 6_528 + 0.55 * 512 + 0.07 * 64 + 0.19 * 256
    assert found["features"] == pytest.approx(1e6 * a_clip)
    assert (
        found["files"] == 15_625 * 6 + 15 * 16 + (5 + 15 + 1) + 4
    )  # shards; index chunks; zarr.json; others
    assert found["videos read"] == pytest.approx(1.7e12)


def test_u1_has_two_more_files_a_shard_and_another_ratio() -> None:
    f2, u1 = (
        by_name(forecast(ForecastOptions(64, frames=64, backend="hrnet-simcc", persons=1, precision=each)))
        for each in ("f2", "u1")
    )
    assert u1["files"] - f2["files"] == 2 + 2  # two more arrays: a file and a zarr.json each
    gained = 64 * (153_827 - 68_826 - 2 * 2 * 96)  # pooled; scale and offset of 96 channels count in full
    assert f2["features"] - u1["features"] == pytest.approx(gained)


def test_what_nobody_measured_counts_in_full() -> None:
    layout = Layout(10, 2, 64, 17, 768, 64)
    sizes = feature_bytes(layout, 1.5, {"keypoints": 0.5})
    assert sizes["pooled"] == 10 * 1.5 * 64 * 17 * 768 * 2
    assert sizes["keypoints"] == 10 * 1.5 * 64 * 17 * 3 * 2 / 2
    assert sizes["time_s"] == 10 * 64 * 4
    items = {item.name: item for item in forecast(ForecastOptions(10, frames=9, backend="vitpose"))}
    assert "nobody measured" in items["features"].source


def test_nothing_is_invented() -> None:
    found = {each.name: each for each in forecast(ForecastOptions(10, frames=9, backend="tiny"))}
    assert (found["work"].text, "time" in found) == ("unknown", False)
    assert "give --frames-per-second, or --like STORE" in found["work"].formula
    with pytest.raises(HeatpoolError, match="expected --channels with --backend onnx"):
        forecast(ForecastOptions(10, frames=9, backend="onnx"))


def test_a_store_of_the_users_own(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a.zarr", clips=8, shard_clips=3)
    again = by_name(forecast(ForecastOptions(8, like=tmp_path / "a.zarr", shard_clips=3)))
    assert again["files"] == sum(path.is_file() for path in store.path.rglob("*"))
    assert again["features"] == pytest.approx(
        sum(store.bytes_by_array()[name] for name in store.layout.stored)
    )
    assert again["work"] == pytest.approx(80)  # of both workers
    assert again["videos read"] == pytest.approx(16_000)
    journal = sum(path.stat().st_size for path in (store.path / "journal").iterdir())
    assert again["journal"] == pytest.approx(journal, rel=0.1)  # the last shard is shorter
    # 10 frames at T = 4 read 8; at T = 5 the steps sit at 0.5, 2.5, … and read all 10.
    more = by_name(forecast(ForecastOptions(80, like=tmp_path / "a.zarr", steps=5, persons=3)))
    assert more["work"] == pytest.approx(10 * 80 * 10 / 8)
    pooled = store.bytes_by_array()["pooled"] / 12 * 3 / 4 * 5  # of 12 people of 4 steps
    rest = more["features"] - 80 * pooled
    assert 0 < rest < 0.5 * more["features"]


def test_a_store_without_a_run_needs_the_rate(tmp_path: Path) -> None:
    store = make_store(tmp_path / "a.zarr", clips=2, shard_clips=2)
    (store.path / "run.json").unlink()
    with pytest.raises(
        HeatpoolError, match="expected the speed of workers in run.json of .*--frames-per-second"
    ):
        forecast(ForecastOptions(10, like=store.path))
    found = by_name(forecast(ForecastOptions(10, like=store.path, frames_per_second=50)))
    assert found["work"] == pytest.approx(10 * 10 / 50)
    assert np.isnan(found["videos read"])


def test_the_journal_is_that_of_a_store(tmp_path: Path) -> None:
    layout = Layout(6, 2, 4, 17, 8, 3)
    make_store(tmp_path / "a.zarr", clips=6, shard_clips=3)
    real = sum(path.stat().st_size for path in (tmp_path / "a.zarr" / "journal").iterdir())
    assert journal_bytes(layout, 10, 1.5) == pytest.approx(real, rel=0.05)
    assert store_files(layout, index_arrays=11) == 2 * 6 + 11 + 5 + 11 + 1 + 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--clips 1.5 --frames 3 --backend tiny", "expected a whole number of --clips"),
        ("--clips 10", "expected --frames and --backend, or --like STORE"),
        ("--clips 10 --like a.zarr --precision u1", "expected no --backend and no --precision with --like"),
        ("--clips 10 --frames 9 --backend tiny --video-mb 0", "expected --video-mb above 0"),
    ],
)
def test_bad_usage_is_one_line(words: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["forecast", *words.split()])
    assert said in capsys.readouterr().err


def test_the_command_says_formula_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    words = "--clips 1e6 --frames 300 --backend hrnet-simcc  --frames-per-second 400 --workers 8"
    assert cli.main(["forecast", *words.split()]) == 0
    said = re.sub(" +", " ", capsys.readouterr().out)
    assert "work 208.3 h of one worker (0.75 s per clip)" in said
    assert "= clips x 300 frames / 400 frames per second" in said
    assert "time 26.0 h with --workers 8" in said
    assert "give --video-mb" in said


def test_the_table_of_the_page() -> None:
    """Hours from the stages that `make bench` measures, bytes from the command."""
    table, stages = _rows("scaling", "| backend |"), _rows("benchmarks", "| backend | clips")
    for label, thread_hours, _, *sizes in table:
        backend = label.split()[0]
        (stage,) = [row for row in stages if row[0] == backend]
        frame_ms, person_ms = float(stage[-2]), float(stage[-1])
        hours = 1e6 * frames_read(300, 64) * (frame_ms + 1.22 * person_ms) / 1000 / 3600
        assert float(thread_hours.replace(",", "")) == pytest.approx(hours, rel=0.25), backend
        for precision, text in zip(("f2", "u1"), sizes, strict=True):
            options = ForecastOptions(1e6, frames=300, backend=backend, persons=1.22, precision=precision)  # type: ignore[arg-type]
            size, unit = text.removesuffix(" at most").split()
            expected = by_name(forecast(options))["features"]
            assert float(size) * {"GB": 1e9, "TB": 1e12}[unit] == pytest.approx(expected, rel=0.03), backend
    assert {row[0].split()[0] for row in table} == set(CHANNELS)


def _rows(page: str, header: str) -> list[list[str]]:
    """Cells of the table of a page that begins so."""
    lines = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8").splitlines()
    at = next(at for at, line in enumerate(lines) if line.startswith(header)) + 2
    rows = itertools.takewhile(lambda line: line.startswith("|"), lines[at:])
    return [line.strip("| ").split(" | ") for line in rows]
