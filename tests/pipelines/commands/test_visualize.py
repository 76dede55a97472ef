from __future__ import annotations

import csv
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from heatpool.extract.engine.estimators import TopDown
from heatpool.extract.engine.tracking import select_tracked
from heatpool.extract.records import Detections, PoseBatch
from heatpool.extract.video.reader import iter_frames, probe
from heatpool.pipelines.cli import main
from heatpool.pipelines.drawing.clip_frames import View
from heatpool.pipelines.drawing.detection_pass import KnownBoxes, TappedHeatmaps, look_at, pose_again
from heatpool.pipelines.drawing.overlay import PERSON_COLOURS
from heatpool.pipelines.drawing.pictures import EnergyChart, draw_frame, draw_sheet, drawn_size
from heatpool.pipelines.drawing.scene import HeatFile, Scene
from heatpool.pipelines.drawing.video_writer import Film
from heatpool.pipelines.options import VisualizeOptions
from heatpool.pool.errors import HeatpoolError
from tests.conftest import AnalyticBackbone, BrightDetector, VideoMaker, gray_frames
from tests.extract.video.test_reader import rotate_in_header
from tests.fixtures.onnx_networks import heatmap_network
from tests.fixtures.small_weights import save_yolo_pose


def block_frames(columns: list[int | None]) -> list[np.ndarray]:
    """Dark frames with a white block of 24 x 32 pixels at these columns; None leaves it out."""
    frames = []
    for column in columns:
        frame = np.zeros((64, 96, 3), np.uint8)
        if column is not None:
            frame[16:48, column : column + 24] = 255
        frames.append(frame)
    return frames


class SpottedBackbone(AnalyticBackbone):
    """The analytic network with a heatmap a joint: its value at the cell of the joint, 4 pixels a cell."""

    def forward(self, crops: torch.Tensor) -> PoseBatch:
        pose = super().forward(crops)
        heatmaps = torch.zeros(len(crops), 2, 8, 6)
        heatmaps[:, 0, 4, 1], heatmaps[:, 1, 4, 4] = 0.5, 1.0
        return PoseBatch(pose.joints_xy_px, pose.scores, pose.maps, heatmaps)


def watch(
    path: Path, backbone: AnalyticBackbone, heat: HeatFile, *, joints: tuple[int, ...] = (0, 1)
) -> Scene:
    network = TappedHeatmaps(backbone, joints)
    sighting = look_at(path, TopDown(BrightDetector(), network, device="cpu"), info=probe(path), batch=3)
    assert all(isinstance(found, Detections) for found in sighting.found)  # no crops are kept
    chosen = select_tracked(sighting.detections(), 2)
    known = TopDown(KnownBoxes(sighting, chosen), network, device="cpu")
    return pose_again(sighting, chosen, known, network=network, heat=heat, frame_batch=2, person_batch=3)


def test_slots_joints_and_energy_are_those_of_the_network(make_video: VideoMaker) -> None:
    path = make_video(block_frames([8, 10, None, 14, 16, 18, 20]))
    with HeatFile() as heat:
        scene = watch(path, AnalyticBackbone(), heat)
        assert len(heat) == 0  # this network has none
    assert scene.filled.tolist() == [[True, True, False, True, True, True, True], [False] * 7]
    # The crop is the block: joints at a quarter and three quarters of its width, in the middle of its height.
    np.testing.assert_allclose(scene.joints_xy_px[0, 3], [[20, 32], [32, 32]], atol=1.5)
    np.testing.assert_allclose(scene.boxes_xyxy_px[0, 6], [20, 16, 44, 48], atol=1.5)
    # Pooled is (x, y, brightness) = (±1/2, 0, 1) at the two joints: 2 (1/4 + 1) = 2.5.
    np.testing.assert_allclose(scene.energy[0, scene.filled[0]], np.sqrt(2.5), rtol=0.05)
    assert not scene.energy[~scene.filled].any()


def test_heatmaps_lie_where_their_joints_are(make_video: VideoMaker) -> None:
    path = make_video(block_frames([8, 12, None, 20]))
    whole, size_px = View(0, 0, 96, 64), (192, 128)
    black = np.zeros((64, 96, 3), np.uint8)
    for joints, place in (((0, 1), (64, 56)), ((0,), (64, 32))):  # row and column of the peak in frame 1
        with HeatFile() as heat:
            scene = watch(path, SpottedBackbone(), heat, joints=joints)
            assert len(heat) == 3
            assert heat.get(0, 2) is None
            found = heat.get(0, 1)
            assert found is not None
            assert found[0].max() == pytest.approx(1.0 if 1 in joints else 0.5, abs=1 / 255)
            scene.scores[:] = 0  # no joints over the maps
            drawn = draw_frame(black, scene, 1, heat=heat, view=whole, size_px=size_px)
            inside = drawn[38:90, 28:68].astype(int).sum(2)  # within the box
            row, column = np.unravel_index(inside.argmax(), inside.shape)
            np.testing.assert_allclose((row + 38, column + 28), place, atol=3)
            assert not draw_frame(black, scene, 2, heat=heat, view=whole, size_px=size_px).any()


def test_a_view_moves_and_scales_what_is_drawn() -> None:
    scene = Scene.empty(2, 1, 17)
    scene.filled[1, 0], scene.boxes_xyxy_px[1, 0] = True, (40, 20, 60, 50)
    with HeatFile() as heat:
        view = View(30, 10, 40, 50)
        frame = np.zeros((100, 100, 3), np.uint8)
        drawn = draw_frame(frame, scene, 0, heat=heat, view=view, size_px=(160, 200))
    rows, columns = np.nonzero((np.abs(drawn.astype(int) - PERSON_COLOURS[1]) < 60).all(2))
    inside = rows >= 41  # below the name
    assert (columns.min(), columns[inside].max(), rows.max()) == pytest.approx((40, 120, 160), abs=4)


def test_the_cursor_follows_time() -> None:
    scene = Scene.empty(1, 5, 17)
    scene.filled[0, [0, 1, 3, 4]] = True
    scene.energy[0] = [1, 2, 0, 4, 5]
    time_s = np.array([1.0, 1.5, 2.0, 2.5, 3.0])
    chart = EnergyChart.of(scene, time_s, size_px=(400, 120), title="a very long title " * 9)
    assert chart.rgb.shape == (120, 400, 3)
    for time, column in (
        (1.0, chart.left_px),
        (2.0, (chart.left_px + chart.right_px) / 2),
        (3.0, chart.right_px),
    ):
        changed = np.argwhere((chart.at(np.array([time])) != chart.rgb).any(2))
        assert set(changed[:, 1].tolist()) == {round(column)}
        assert changed[:, 0].max() - changed[:, 0].min() > 40
    coloured = (np.abs(chart.rgb.astype(int) - PERSON_COLOURS[0]) < 40).all(2)
    curve = coloured[chart.top_px + 1 : chart.bottom_px, chart.left_px : chart.right_px]
    rows, columns = np.nonzero(curve)
    assert rows[columns < 20].mean() > rows[columns > curve.shape[1] - 20].mean() + 30  # it rises
    middle = curve.shape[1] // 2
    assert not curve[:, middle - 20 : middle + 20].any()  # and is broken where nobody was


def test_nobody_and_a_single_frame_can_be_drawn() -> None:
    chart = EnergyChart.of(Scene.empty(2, 1, 17), np.zeros(1), size_px=(300, 120), title="$x$ and $")
    tile = np.zeros((60, 80, 3), np.uint8)
    sheet = draw_sheet([tile] * 5, [0] * 5, Scene.empty(2, 1, 17), np.zeros(1), title="x")
    assert sheet.shape[0] > 2 * 60 + 150  # two rows of four, and the chart
    assert sheet.shape[1] == 4 * 86 + 6
    assert chart.rgb.std() > 1


@pytest.mark.parametrize(
    ("size", "longer", "drawn"),
    [((1920, 1080), 960, (960, 540)), ((1080, 1920), 961, (540, 960)), ((7, 3), 20, (20, 8))],
)
def test_drawn_sizes_are_even(size: tuple[int, int], longer: int, drawn: tuple[int, int]) -> None:
    assert drawn_size(size, longer) == drawn


def test_a_film_keeps_the_times_and_is_whole_or_absent(tmp_path: Path) -> None:
    times_s = [2.0, 2.04, 2.04, 2.5, 3.7]
    with Film(tmp_path / "a.mp4", size_px=(64, 48), fps=25) as film:
        for time_s in times_s:
            film.write(np.zeros((48, 64, 3), np.uint8), time_s)
    shown_s = probe(tmp_path / "a.mp4").times_s
    np.testing.assert_allclose(shown_s, np.array(times_s) - 2, atol=1e-3)
    assert (np.diff(shown_s) > 0).all()  # of two frames at one time the second comes a tick later
    with pytest.raises(ZeroDivisionError), Film(tmp_path / "b.mp4", size_px=(64, 48), fps=25) as film:
        film.write(np.zeros((48, 64, 3), np.uint8), 1 / 0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    nowhere = Film(tmp_path / "nowhere" / "c.mp4", size_px=(64, 48), fps=25)
    with pytest.raises(HeatpoolError, match="cannot write .*nowhere"), nowhere as film:
        film.write(np.zeros((48, 64, 3), np.uint8), 0.0)


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


def test_two_people_and_frames_without_anybody(
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
    assert (tmp_path / "clip-overlay.mp4").exists()
    for arguments, message in (
        ([video], "clip-overlay.mp4 exists; choose another file or replace it with --overwrite"),
        ([video, "--out", video, "--overwrite"], "clip.mp4 exists"),
        ([tmp_path], "expected a video file"),
        (["nowhere.mp4"], "expected a video file, got nowhere.mp4"),
        ([video, "--out", "b.mp4", "--heatmaps", "left_wing"], "none or joints out of nose, left_eye"),
        ([video, "--out", "b.mp4", "--start-s", "9"], "expected frames between 9 s and the end"),
    ):
        assert visualize(*arguments, *more) == 1
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
    assert not list(tmp_path.glob("b.mp4")) + list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"out": Path("a.avi")}, "expected --out to end in .mp4, got a.avi"),
        ({"sheet": Path("a.jpg")}, "expected --sheet to end in .png"),
        ({"start_s": 2.0, "end_s": 1.0}, "expected --end-s after --start-s, got 1 and 2"),
        ({"size": 20}, "expected --size of at least 160"),
        ({"persons": 0}, "expected --persons of at least 1"),
    ],
)
def test_options_are_checked(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        VisualizeOptions(Path("clip.mp4"), **options)  # type: ignore[arg-type]
