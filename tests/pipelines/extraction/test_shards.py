"""What travels to workers: clips by the shard, and all of them only where a file of boxes asks for it."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.networks.detectors import FullFrame
from heatpool.extract.records import Detections, Frame
from heatpool.pipelines import cli
from heatpool.pipelines.extraction.run import carry_out, prepare
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.extraction.cluster_cases import (
    array_bytes,
    finish,
    heatpool,
    make_clips,
    network_options,
)


def sent_bytes(
    clips: int, folder: Path, monkeypatch: pytest.MonkeyPatch, *more: str | Path
) -> tuple[int, int]:
    """Bytes that a worker gets once, and bytes of its first task, for a manifest of so many clips."""
    folder.mkdir()
    manifest = folder / "clips.csv"
    manifest.write_text("path\n" + "".join(f"videos/{clip:06}.mp4\n" for clip in range(clips)))
    sent = []

    def take(work, pending, *, build, **_):  # type: ignore[no-untyped-def]
        sent.append((len(pickle.dumps(build)), len(pickle.dumps(work.shard(pending[0])))))

    monkeypatch.setattr("heatpool.pipelines.extraction.run.run_on_cluster", take)
    options = network_options(folder)
    options[options.index("--shard-clips") + 1] = "8"
    arguments = ["extract", "--videos", str(manifest), *options, *map(str, more), "--workers", "2", "--quiet"]
    assert cli.main(arguments) == 1  # no clip gave features
    return sent[0]


def test_a_worker_gets_as_much_of_any_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    once, task = sent_bytes(16, tmp_path / "a", monkeypatch)
    assert sent_bytes(5_000, tmp_path / "b", monkeypatch) == (once, task)
    assert task < 8 * 250


@pytest.mark.slow
def test_workers_find_the_boxes_of_their_clips(make_video: VideoMaker, tmp_path: Path) -> None:
    videos = make_clips(make_video, tmp_path / "videos", clips=4)
    (tmp_path / "boxes.csv").write_text(
        "path,frame,x1,y1,x2,y2,score\n"
        + "".join(
            f"videos/{'ab'[clip % 2]}/{clip:02}.mp4,{frame},{10 + clip},20,{60 + clip},90,1\n"
            for clip in range(4)
            for frame in range(40)
        )
    )
    options = network_options(tmp_path)
    options[options.index("full-frame")] = "boxes-file"
    arguments = ["extract", "--videos", str(videos), *options, "--boxes", str(tmp_path / "boxes.csv")]
    plain, shared = tmp_path / "plain.zarr", tmp_path / "shared.zarr"
    for out, more in ((plain, []), (shared, ["--workers", "2"])):
        code, said = finish(heatpool(*arguments, "--out", out, *more))
        assert code == 0, said
    assert array_bytes(shared) == array_bytes(plain)


def test_shards_in_one_go_share_the_frames_at_their_borders(
    make_video: VideoMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven half overlapping windows in four shards: apart, 5 frames at each of 3 borders are read twice."""
    looked_at: Counter[str] = Counter()
    detect = FullFrame.detect

    def counted(detector: FullFrame, frames: Sequence[Frame]) -> list[Detections]:
        looked_at[store.name] += len(frames)
        return detect(detector, frames)

    monkeypatch.setattr(FullFrame, "detect", counted)
    videos = make_clips(make_video, tmp_path / "videos", clips=1)
    options = ExtractOptions(
        videos=videos,
        backend="onnx",
        weights=str(heatmap_network(tmp_path / "pose.onnx")),
        tap="brightness",
        detector="full-frame",
        steps=16,
        persons=1,
        shard_clips=2,
        window_s=0.4,
        stride_s=0.2,
        device="cpu",
        quiet=True,
    )
    stores = []
    for in_one_go in (False, True):
        store = tmp_path / f"{in_one_go}.zarr"
        plan = prepare(replace(options, out=store))
        carry_out(replace(plan, work=replace(plan.work, in_one_go=in_one_go)))
        stores.append(FeatureStore.open(store))
    assert looked_at == {"False.zarr": 40 + 3 * 5, "True.zarr": 40}
    apart, together = stores
    rows = np.arange(7)
    assert apart.results(rows) == together.results(rows)
    for name in ("pooled", "keypoints", "boxes", "mask", "time_s"):
        np.testing.assert_allclose(apart[name][:], together[name][:], atol=1e-3)
