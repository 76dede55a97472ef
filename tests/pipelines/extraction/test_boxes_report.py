"""Boxes that do not fit their videos: what an extraction says of them, and that doctor says the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from heatpool.extract.datasets.box_findings import VideoSize
from heatpool.extract.datasets.folder import read_videos
from heatpool.pipelines.extraction.findings import check_networks
from heatpool.pipelines.extraction.run import run_extraction
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.extraction.cluster_cases import make_clips

ROWS = {  # of ten frames of 128 x 96 pixels
    "a/00.mp4": [(frame, 10, 10, 140, 90) for frame in range(10)],
    "b/01.mp4": [(frame, 500, 10, 600, 90) for frame in range(10)],
    "a/02.mp4": [(frame, 10, 10, 90, 90) for frame in range(200, 203)],
    "b/03.mp4": [],
}


def test_boxes_that_do_not_fit_are_counted_and_end_their_clips_with_a_reason(
    make_video: VideoMaker, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    videos = make_clips(make_video, tmp_path / "videos", clips=4, frames=10)
    lines = [f"{name},{','.join(map(str, row))},1" for name, rows in ROWS.items() for row in rows]
    (tmp_path / "boxes.csv").write_text("path,frame,x1,y1,x2,y2,score\n" + "\n".join([*lines, lines[0]]))
    options = ExtractOptions(
        videos=videos, out=tmp_path / "out.zarr", backend="onnx", tap="brightness", steps=4, threads=1,
        weights=str(heatmap_network(tmp_path / "pose.onnx")), boxes=tmp_path / "boxes.csv", device="cpu",
        quiet=True,
    )  # fmt: skip
    done = run_extraction(options)
    assert done.counts == {"ok": 1, "no_person": 3}
    results = FeatureStore.open(done.store).results([0, 1, 2, 3])
    reasons = [each.reason.partition(": ") for each in results if each.reason]
    assert {head for head, *_ in reasons} == {"no person detected in any frame"}
    assert {tail for *_, tail in reasons} == {
        "its boxes in boxes.csv lie outside the picture of 128 x 96 pixels",
        "its boxes in boxes.csv are of other frames, from 200 to 202",
        "boxes.csv has no boxes for it",
    }
    warned = [each.getMessage() for each in caplog.records if each.levelname == "WARNING"]
    table = [
        "boxes.csv: 1 boxes stand twice in a frame and count once",
        "boxes.csv: no box for 1 of 4 videos, such as 03.mp4",
    ]
    nothing = "of 1 none is left: boxes of other videos, or of a copy of another size?"
    fits = [
        f"boxes.csv: 10 boxes lie outside the picture and are left out: 01.mp4 10 of 10; {nothing}",
        "boxes.csv: 10 boxes reach out of the picture and are cut at its edge: 00.mp4 10 of 10",
        f"boxes.csv: 3 boxes are of frames that the video does not have: 02.mp4 3 of 3; {nothing}",
    ]
    assert [line for line in warned if line.startswith("boxes.csv")] == [*table, *table, *fits]
    before = [line for line in warned if line.startswith("looked at 3 of 3 videos before the run: ")]
    assert [line.partition("run: ")[2] for line in before] == [fits[0], fits[2]]
    manifest = read_videos(videos)
    sizes = {clip.path: VideoSize(128, 96, 10) for clip in manifest.clips}
    found = check_networks(ExtractOptions(boxes=options.boxes), manifest, sizes=sizes)
    assert [finding.message for finding in found] == [*table, *fits]
    assert [finding.level for finding in found] == ["warning", "warning", "error", "warning", "error"]
