"""Clips that failed by a fault of the moment are tried again; what is there is never lost by that."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import pytest

from heatpool.pipelines.extraction.run import Extraction, extract
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import TRANSIENT
from heatpool.pool.store.verify import verify_store
from heatpool.pool.store.writer import StoreWriter
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    for at, name in enumerate(NAMES):
        make_video(gray_frames(6 + at), f"videos/{name}.mp4")
    return tmp_path / "videos"


@pytest.fixture
def run(videos: Path, tmp_path: Path) -> Any:
    """Return a function that extracts the clips, two a shard."""
    weights = str(heatmap_network(tmp_path / "pose.onnx"))
    (tmp_path / "clips.csv").write_text("path\n" + "".join(f"videos/{name}.mp4\n" for name in NAMES))

    def extract_clips(out: str = "x.zarr", **options: Any) -> Extraction:
        return extract(
            tmp_path / "clips.csv", tmp_path / out, weights=weights, tap="brightness", detector="full-frame",
            steps=4, shard_clips=2, device="cpu", threads=1, quiet=True, **options,
        )  # fmt: skip

    return extract_clips


def files_of(store: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(store)): path.read_bytes()
        for path in store.rglob("*")
        if path.is_file() and path.name != "run.json"
    }


def test_a_clip_that_was_away_is_extracted_on_resume_with_the_bytes_of_a_run_without_fault(
    run: Any, videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = run("whole.zarr")
    (videos / "b.mp4").rename(tmp_path / "b.mp4")
    with caplog.at_level(logging.INFO, logger="heatpool"):
        done = run()
    assert done.counts == {"ok": 3, "failed": 1}
    assert done.failures["videos/b"].startswith(TRANSIENT)
    assert "1 failed by a fault of the moment: --resume tries them again" in caplog.text
    untouched = (done.store / "journal").stat().st_mtime_ns
    assert run(resume=True).counts == done.counts
    assert (done.store / "journal").stat().st_mtime_ns == untouched, "its file is still away: nothing to do"
    assert "1 failed clips are not tried again: their videos cannot be opened now" in caplog.text
    (tmp_path / "b.mp4").rename(videos / "b.mp4")
    with caplog.at_level(logging.INFO, logger="heatpool"):
        assert run(resume=True).counts == {"ok": 4}
    assert "trying 1 failed clips again, in 1 shards" in caplog.text
    assert files_of(done.store) == files_of(whole.store)


def test_a_damaged_clip_is_tried_again_if_asked_for_alone(run: Any, videos: Path) -> None:
    good = (videos / "b.mp4").read_bytes()
    (videos / "b.mp4").write_text("no video")
    done = run()
    assert done.counts == {"ok": 3, "failed": 1}
    assert TRANSIENT not in done.failures["videos/b"]
    (videos / "b.mp4").write_bytes(good)
    assert run(resume=True).counts == done.counts
    assert run(resume=True, retry_failed=True).counts == {"ok": 4}
    with pytest.raises(HeatpoolError, match="expected resume with retry_failed"):
        run(retry_failed=True)


def test_features_stay_where_their_clip_cannot_be_read_any_more(
    run: Any, videos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (videos / "b.mp4").rename(tmp_path / "b.mp4")
    before = files_of(run().store)
    (tmp_path / "b.mp4").rename(videos / "b.mp4")
    (videos / "a.mp4").unlink()
    with caplog.at_level(logging.WARNING, logger="heatpool"):
        done = run(resume=True)
    assert done.counts == {"ok": 3, "failed": 1}
    assert "shard 0 stays as it was: clips of it cannot be read any more" in caplog.text
    assert files_of(done.store) == before
    assert verify_store(done.store).intact


def test_videos_that_are_taken_away_stop_the_run_and_no_clip_counts_as_failed(
    run: Any, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run("whole.zarr")
    write = StoreWriter.write_shard

    def write_and_unplug(self: StoreWriter, shard: int, *rest: Any, **more: Any) -> Any:
        videos.rename(tmp_path / "gone")
        videos.mkdir()  # as the place that a disk was mounted at
        return write(self, shard, *rest, **more)

    with monkeypatch.context() as patched:
        patched.setattr(StoreWriter, "write_shard", write_and_unplug)
        with pytest.raises(HeatpoolError, match=r"videos is away or empty, .* when it is back, use --resume"):
            run()
    assert verify_store(tmp_path / "x.zarr").pending == (1,)
    shutil.rmtree(videos)
    (tmp_path / "gone").rename(videos)
    assert files_of(run(resume=True).store) == files_of(whole.store)


def test_a_store_that_is_taken_away_is_one_line(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = StoreWriter.write_shard

    def write_and_move(self: StoreWriter, shard: int, *rest: Any, **more: Any) -> Any:
        record = write(self, shard, *rest, **more)
        self.path.rename(tmp_path / "moved.zarr")
        return record

    with monkeypatch.context() as patched:
        patched.setattr(StoreWriter, "write_shard", write_and_move)
        with pytest.raises(HeatpoolError, match="x.zarr: no such feature store"):
            run()
    assert verify_store(tmp_path / "moved.zarr").pending == (1,)
