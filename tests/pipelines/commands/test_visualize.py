from __future__ import annotations

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.cli import main
from heatpool.pipelines.drawing.overlay import PERSON_COLOURS
from heatpool.pipelines.options import VisualizeOptions
from tests.conftest import VideoMaker, gray_frames
from tests.extract.video.test_reader import rotate_in_header
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_yolo_pose


@pytest.fixture
def networks(tmp_path: Path) -> list[str]:
    network = heatmap_network(tmp_path / "pose.onnx")
    return ["--backend", "onnx", "--weights", str(network), "--tap", "brightness", "--device", "cpu"]


def visualize(*arguments: object) -> int:
    return main(["visualize", *(str(argument) for argument in arguments), "--threads", "1", "--size", "160"])


def sizes(path: Path) -> tuple[int, int, int]:
    with av.open(str(path)) as container:
        frames = [frame for frame in container.decode(video=0)]
    return len(frames), frames[0].width, frames[0].height


def test_two_persons_and_frames_without_anybody(
    make_video: VideoMaker, networks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(gray_frames(9, width=96, height=64))
    with (tmp_path / "boxes.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "frame", "x1", "y1", "x2", "y2", "score"])
        for frame in (0, 1, 2, 5, 6, 7, 8):
            writer.writerow(["clip.mp4", frame, 10 + frame, 10, 30 + frame, 60, 0.9])
            writer.writerow(["clip.mp4", frame, 60 - frame, 12, 80 - frame, 62, 0.8])
    out, sheet = tmp_path / "new" / "o.mp4", tmp_path / "o.png"
    options = ["--boxes", tmp_path / "boxes.csv", "--heatmaps", "nose,left_wrist"]
    assert visualize(video, "--out", out, "--sheet", sheet, "--sheet-frames", 5, *options, *networks) == 0
    assert "9 frames, person 1 in 7, person 2 in 7" in capsys.readouterr().err
    assert sizes(out) == (9, 160, 106 + 120)
    info = probe(out)
    np.testing.assert_allclose(info.times_s, np.arange(9) / 25, atol=1e-3)
    empty, full = (frame.rgb[:106] for frame in iter_frames(out, np.array([3, 6]), info=info))
    assert empty.std() < 6  # nothing is drawn on the plain frame
    for colour in PERSON_COLOURS[:2]:
        assert (np.abs(full.astype(int) - colour) < 50).all(2).sum() > 30
    picture = cv2.imread(str(sheet))
    assert picture.shape[1] == 4 * 486 + 6


def test_a_turned_video_is_drawn_upright(make_video: VideoMaker, networks: list[str], tmp_path: Path) -> None:
    video = make_video(gray_frames(4, width=96, height=64))
    rotate_in_header(video)
    arguments = ["--out", tmp_path / "o.mp4", "--frame-stride", "2", "--detector", "full-frame"]
    assert visualize(video, *arguments, *networks) == 0
    assert sizes(tmp_path / "o.mp4") == (2, 106, 160 + 120)


def test_of_a_truncated_video_what_is_there_is_drawn(
    make_video: VideoMaker, networks: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(12)]
    video = make_video(noise, "clip.avi", codec="mpeg4", gop=4)
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    out = tmp_path / "o.mp4"
    assert visualize(video, "--out", out, "--detector", "full-frame", "--quiet", *networks) == 3
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "clip.avi is damaged: header claims 12 frames" in said
    assert 3 <= sizes(out)[0] < 9


def test_a_network_without_heatmaps_says_so(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    video = make_video([rng.integers(0, 255, (96, 128, 3), dtype=np.uint8) for _ in range(3)])
    weights = save_yolo_pose(tmp_path / "pose.pt")
    options = ["--min-score", "1e-6", "--person-selection", "first", "--device", "cpu"]
    arguments = ["--sheet", tmp_path / "o.png", "--weights", weights, *options]
    assert visualize(video, *arguments) == 0
    said = capsys.readouterr().err
    assert "yolo-pose gives no heatmaps to draw" in said
    assert "3 frames, person 1 in 3" in said
    assert not list(tmp_path.glob("*overlay.mp4"))  # a sheet alone was asked for
    assert visualize(video, *arguments, "--heatmaps", "none", "--overwrite") == 0
    assert "heatmaps" not in capsys.readouterr().err


def test_files_in_the_way_and_wrong_options_are_said_before_the_work(
    make_video: VideoMaker,
    networks: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    video = make_video(gray_frames(3))
    more = [*networks, "--detector", "full-frame", "--quiet"]
    assert visualize(video, *more) == 0
    assert sizes(tmp_path / "clip-overlay.mp4")[0] == 3
    assert cv2.imread(str(tmp_path / "clip-sheet.png")) is not None
    for arguments, message in (
        ([video], "clip-overlay.mp4 already exists; choose another or replace it with --overwrite"),
        ([video, "--out", video, "--overwrite"], "than the video itself, got"),
        ([tmp_path], "expected a video file, or with --fps a folder of pictures"),
        (["nowhere.mp4"], "a pattern of their names, got nowhere.mp4"),
        ([video, "--out", "b.mp4", "--heatmaps", "left_wing"], "none or joints out of nose, left_eye"),
        ([video, "--out", "b.mp4", "--start-s", "9"], "expected frames between 9 s and the end"),
    ):
        assert visualize(*arguments, *more) == 1
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not list(tmp_path.glob("b.mp4")) + list(tmp_path.glob(".*"))


def test_pictures_are_drawn_as_a_video_called_as_their_folder(
    networks: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "walk").mkdir()
    for number, frame in enumerate(gray_frames(3)):
        cv2.imwrite(str(tmp_path / "walk" / f"img_{number:05d}.png"), frame)
    more = [*networks, "--detector", "full-frame", "--quiet", "--fps", "10"]
    for pictures in ("walk", "walk/img_%05d.png"):
        assert visualize(pictures, *more, "--overwrite") == 0
        assert sizes(tmp_path / "walk-overlay.mp4")[0] == 3
        assert (tmp_path / "walk-sheet.png").exists()
        (tmp_path / "walk-overlay.mp4").unlink()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": Path("a.avi")}, "expected --out to end in .mp4, got a.avi"),
        ({"sheet": Path("a.jpg")}, "expected --sheet to end in .png"),
        ({"start_s": 2.0, "end_s": 1.0}, "expected --end-s after --start-s, got 1 and 2"),
        ({"size": 20}, "expected --size from 160 to 8,192"),
        ({"persons": 0}, "expected --persons from 1 to 255"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VisualizeOptions(Path("clip.mp4"), **options)  # type: ignore[arg-type]
