"""`heatpool predict --annotate`: what is drawn is what was answered, frame by frame."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.manifest import Clip, Manifest
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.cli import main
from heatpool.pipelines.drawing.annotate import AnnotatedClip, annotated_paths, clip_at, persons_at
from heatpool.pipelines.drawing.panel import PredictionPanel
from heatpool.pool.errors import HeatpoolError
from tests.conftest import VideoMaker
from tests.pipelines.commands.prediction_cases import make_clip


@pytest.fixture
def run(brightness_run: Path) -> Path:
    return brightness_run


def predict(run: Path, videos: Path, *words: str | Path) -> int:
    fixed = ["--device", "cpu", "--threads", "1", "--quiet"]
    return main(["predict", "--run", str(run), str(videos), *map(str, words), *fixed])


def panel_of(rows: list[dict[str, str]], last_s: float, width_px: int) -> PredictionPanel:
    """The panel as it follows from the CSV alone."""
    return PredictionPanel(
        [(float(row["start_s"]), float(row["end_s"] or last_s)) for row in rows],
        [[(row[f"label_{n}"], float(row[f"probability_{n}"])) for n in (1, 2)] for row in rows],
        [""] * len(rows),
        span_s=(0.0, last_s),
        width_px=width_px,
    )


def test_an_annotated_video_shows_the_predictions_of_the_table(run: Path, tmp_path: Path) -> None:
    levels = np.concatenate([np.linspace(30, 220, 25), np.linspace(220, 30, 26)])
    video = make_clip(tmp_path / "new" / "long.mp4", levels)
    out, annotated = tmp_path / "predictions.csv", tmp_path / "annotated"
    assert (
        predict(run, video, "--window-s", "1", "--stride-s", "0.5", "--out", out, "--annotate", annotated)
        == 0
    )
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["start_s"] for row in rows] == ["0.0", "0.5", "1.0", "1.04"]
    first, last = rows[0]["label_1"], rows[-1]["label_1"]
    assert (first, last) == ("rise", "fall")  # so that two panels differ in their text, not by chance

    source, drawn = probe(video), probe(annotated / "long.mp4")
    np.testing.assert_allclose(drawn.times_s, source.times_s, atol=1e-3)
    assert drawn.fps == pytest.approx(25)
    panel = panel_of(rows, 2.04, 640)
    assert (drawn.width_px, drawn.height_px) == (640, 480 + panel.height_px)
    # By hand: middles of the windows are 0.5, 1.0, 1.5 and 1.54 s.
    expected = {2: 0, 18: 0, 20: 1, 30: 1, 33: 2, 40: 3, 50: 3}
    wanted = np.array(sorted(expected))
    for frame in iter_frames(annotated / "long.mp4", wanted, info=drawn):
        away = [
            np.abs(frame.rgb[480:].astype(int) - panel.at(number, frame.time_s)).mean() for number in range(4)
        ]
        assert int(np.argmin(away)) == expected[frame.index]
        assert away[expected[frame.index]] < 4  # grey levels, from the codec
        # The person fills the frame: a coloured box at its edges, the plain frame elsewhere.
        inside = frame.rgb[:480].astype(int)
        assert np.ptp(inside[:4], axis=-1).max() > 60
        assert np.ptp(inside[90:110, 90:110], axis=-1).max() < 12
        assert abs(inside[100, 100].mean() - levels[frame.index]) < 8


def test_every_video_of_a_folder_is_annotated_whatever_its_shape(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(tmp_path / "in" / "wide.mp4", np.linspace(40, 200, 9), size_px=(128, 64), fps=10)
    make_clip(tmp_path / "in" / "more" / "tall.avi", np.linspace(40, 200, 7), size_px=(48, 96))
    (tmp_path / "in" / "text.mp4").write_text("no video")
    assert predict(run, tmp_path / "in", "--annotate", tmp_path / "annotated", "--top", "1") == 3
    said = capsys.readouterr()
    assert said.out.count("\n") == 4  # a header, and a row per video
    assert "no annotated video of" in said.err
    assert "text.mp4" in said.err
    found = sorted(
        path.relative_to(tmp_path / "annotated") for path in (tmp_path / "annotated").rglob("*.mp4")
    )
    assert found == [Path("more/tall.avi.mp4"), Path("wide.mp4")]
    for name, frames, width, height, fps in (
        ("more/tall.avi.mp4", 7, 320, 640, 25),
        ("wide.mp4", 9, 640, 320, 10),
    ):
        info = probe(tmp_path / "annotated" / name)
        assert (info.frames, info.width_px) == (frames, width)
        assert info.fps == pytest.approx(fps)
        assert 60 < info.height_px - height < 120  # one row


@pytest.mark.slow
def test_a_truncated_video_is_drawn_as_far_as_it_goes(
    run: Path, tmp_path: Path, make_video: VideoMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(24)]
    cut = make_video(noise, "cut.avi", codec="mpeg4", gop=4)
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    assert predict(run, cut, "--annotate", tmp_path / "annotated") == 3
    said = capsys.readouterr().out
    assert "truncated: header claims 24 frames" in said
    promised = probe(cut).frames
    assert promised < 24
    assert promised - 1 <= probe(tmp_path / "annotated" / "cut.avi.mp4").frames <= promised  # the last is cut


@pytest.mark.slow
def test_files_in_the_way_are_said_before_the_work(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_clip(tmp_path / "in" / "a.mp4", np.linspace(40, 200, 9))
    before = video.read_bytes()
    for more in ((), ("--overwrite",)):  # never the video itself
        assert predict(run, video, "--annotate", tmp_path / "in", "--out", tmp_path / "a.csv", *more) == 1
        assert "a.mp4 is the video itself" in capsys.readouterr().err
    assert video.read_bytes() == before
    assert not (tmp_path / "a.csv").exists()
    (tmp_path / "annotated").mkdir()
    (tmp_path / "annotated" / "a.mp4").write_text("in the way")
    assert predict(run, video, "--annotate", tmp_path / "annotated") == 1
    assert "a.mp4 already exists; choose another or replace it with --overwrite" in capsys.readouterr().err
    assert predict(run, video, "--annotate", tmp_path / "annotated", "--overwrite") == 0
    assert probe(tmp_path / "annotated" / "a.mp4").frames == 9
    (tmp_path / "file").write_text("a file")
    assert predict(run, video, "--annotate", tmp_path / "file") == 1
    assert "cannot be written" in capsys.readouterr().err


def test_two_videos_never_share_an_annotated_one(tmp_path: Path) -> None:
    def paths(*names: str) -> dict[Path, Path]:
        clips = tuple(Clip(name, tmp_path / name) for name in names)
        return annotated_paths(tmp_path / "annotated", Manifest(clips, (), tmp_path), overwrite=False)

    assert paths("a/b.mp4", "c.avi") == {
        tmp_path / "a/b.mp4": tmp_path / "annotated/a/b.mp4",
        tmp_path / "c.avi": tmp_path / "annotated/c.avi.mp4",
    }
    assert paths("../b.mp4")[tmp_path / "../b.mp4"] == tmp_path / "annotated/b.mp4"  # never out of the folder
    with pytest.raises(HeatpoolError, match="two would become"):
        paths("b.mp4", "../b.mp4")


def test_the_clip_at() -> None:
    clips = [AnnotatedClip(0, 2, (), ""), AnnotatedClip(1, 3, (), ""), AnnotatedClip(5, 6, (), "")]
    seen = [clip_at(clips, time_s) for time_s in (0.0, 1.4, 1.6, 2.9, 4.0, 5.0, 6.0)]
    assert seen == [0, 0, 1, 1, None, 2, None]
    assert clip_at([AnnotatedClip(0, None, (), "")], 99.0) == 0


def test_persons_are_read_between_steps() -> None:
    features = {
        "time_s": np.array([0.0, 0.2, 0.4, 2.0], np.float32),
        "mask": np.array([[True, True, False, True], [False, False, False, True]]),
        "keypoints": np.zeros((2, 4, 1, 3), np.float32),
        "boxes": np.zeros((2, 4, 4), np.float32),
    }
    features["keypoints"][0, :, 0] = [[-1, 0, 0.5], [0, 0, 0.7], [0, 0, 0], [1, 1, 0.9]]
    features["boxes"][0] = [[0, 0, 0.2, 0.2], [0.2, 0, 0.4, 0.2], [0, 0, 0, 0], [0.5, 0.5, 1, 1]]

    def at(time_s: float) -> tuple[list[int], list[float], list[float]]:
        found = persons_at(features, time_s, size_px=(100, 50))
        first = slice(0, 1)
        return (
            list(found.slots),
            found.joints_xy_px[first, 0].round(2).ravel().tolist(),
            found.boxes_xyxy_px[first].round(2).ravel().tolist(),
        )

    assert at(0.05) == ([0], [12.5, 25], [5, 0, 25, 10])  # a quarter of the way
    assert at(-1.0) == ([], [], [])  # long before the first step
    assert at(0.3) == ([0], [50, 25], [20, 0, 40, 10])  # of two steps one has the person
    assert at(0.38)[0] == []  # the seen step is too far away
    assert at(1.0)[0] == []  # between steps far apart
    assert at(1.95) == ([0, 1], [100, 50], [50, 25, 100, 50])


def test_rows_that_are_too_long_are_cut() -> None:
    panels = [
        PredictionPanel([(0, 1)], [[(name, 0.5)]], [""], span_s=(0, 1), width_px=320).at(0, 0.0)
        for name in ("ein sehr " * 20, "ein sehr " * 40, "kurz")
    ]
    np.testing.assert_array_equal(panels[0], panels[1])
    assert np.abs(panels[0].astype(int) - panels[2]).mean() > 1
    between = PredictionPanel([(0, 1)], [[]], ["failed: x"], span_s=(0, 2), width_px=320)
    assert np.abs(between.at(None, 1.5).astype(int) - between.at(0, 0.5)).max() > 50
