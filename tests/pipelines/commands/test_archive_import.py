"""`heatpool archive import` of other programs' keypoints and features, and training on them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import heatpool
from heatpool.pipelines.cli import main
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker, gray_frames
from tests.pool.exchange.keypoints.pose_cases import write_ntu
from tests.pool.store.store_cases import make_spec, make_store

FEW = ["--epochs", "2", "--model", "linear", "--device", "cpu", "--threads", "1"]


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def error_line(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_ntu_in_and_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for subject in (1, 2, 3, 4):
        for action in (1, 2):
            write_ntu(Path(f"ntu/S001C002P{subject:03}R001A{action:03}.skeleton"), label=action)
    assert run("archive", "import", "ntu", "ntu.zarr", "--steps", 8, "--licence", "academic use") == 0
    store = FeatureStore.open("ntu.zarr")
    assert store.spec.skeleton == "ntu25"
    assert store.spec.licence == "academic use"
    assert store.attributes["config"]["keypoint_axes"] == "x y z"
    assert store.clips.class_names[:2] == ("drink water", "eat meal")
    assert run("info", "ntu.zarr") == 0
    assert "keypoints       (N, M, T, V) = (8, 2, 8, 25), no pooled features" in capsys.readouterr().out
    assert run("train", "ntu.zarr", "--protocol", "xsub", "--out", "run", *FEW) == 0
    assert heatpool.load_run("run").figures["keypoints_joint"].clips == 2
    assert run("archive", "import", "ntu", "flat.zarr", "--steps", 8, "--format", "ntu-2d") == 0
    assert np.abs(FeatureStore.open("flat.zarr")["keypoints"]).max() <= 1


def test_a_folder_of_nothing_that_is_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos/a.mp4").write_bytes(b"")
    assert run("archive", "import", tmp_path / "videos", tmp_path / "s.zarr") == 1
    assert "which is not known by its suffix or beginning" in error_line(capsys)


def test_features_in_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for split, count in (("train", 4), ("test", 2)):
        for level, name in enumerate(("clap", "wave")):
            folder = Path("i3d", split, name)
            folder.mkdir(parents=True)
            for number in range(count):
                np.save(folder / f"{number}.npy", np.full((5 + number, 16), level, np.float32))
    assert run("archive", "import", "i3d", "i3d.zarr", "--steps", 8, "--precision", "u1") == 0
    assert run("train", "i3d.zarr", "--out", "run", *FEW) == 0
    figures = heatpool.load_run("run").figures["pooled_joint"]
    assert (figures.clips, figures.top1) == (4, 1.0)


def test_ctrgcn_in_with_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(4, 6, 150)).astype(np.float32)
    x[3] = 0
    np.savez("NTU60_CV.npz", x_train=x, y_train=np.eye(2)[[0, 1, 0, 1]], x_test=x[:1], y_test=np.eye(2)[[1]])
    Path("classes.txt").write_text("sit\nstand\n")
    assert run("archive", "import", "NTU60_CV.npz", "s.zarr", "--class-names", "classes.txt") == 0
    store = FeatureStore.open("s.zarr")
    assert (store.clips.class_names, store.clips.protocols) == (("sit", "stand"), ("xview",))
    assert store.clips.status.tolist() == [Status.OK] * 3 + [Status.NO_PERSON, Status.OK]


def test_movement_comes_back_with_labels_and_persons_in_their_slots(tmp_path: Path) -> None:
    """Also clips that begin later in their video, row s after its start."""
    make_store(tmp_path / "s.zarr", spec=make_spec(joints=17, skeleton="coco17"))
    export = ("archive", "export", tmp_path / "s.zarr", tmp_path / "poses", "--format", "movement")
    assert run(*export) == 0
    assert run("archive", "import", tmp_path / "poses", tmp_path / "t.zarr", "--steps", 4) == 0
    store, back = FeatureStore.open(tmp_path / "s.zarr"), FeatureStore.open(tmp_path / "t.zarr")
    rows = store.clips.rows()
    assert back.clips.index.clip_id == tuple(store.clips.clip_ids(rows))
    names, found = (*store.clips.class_names, None), (*back.clips.class_names, None)
    assert [found[label] for label in back.clips.label] == [names[label] for label in store.clips.label[rows]]
    arrays = ("keypoints", "mask", "time_s")
    wanted, got = store.read(rows, arrays), back.read(np.arange(len(rows)), arrays)
    np.testing.assert_allclose(got["keypoints"], wanted["keypoints"], atol=1e-6)
    np.testing.assert_array_equal(got["mask"], wanted["mask"])
    np.testing.assert_allclose(got["time_s"], wanted["time_s"], rtol=1e-6)


def test_a_bad_file_ends_nothing_and_is_told_by_the_exit_code(tmp_path: Path) -> None:
    for action in (1, 2):
        write_ntu(tmp_path / f"ntu/S001C002P001R001A00{action}.skeleton")
    (tmp_path / "ntu/S001C002P001R001A002.skeleton").write_text("6\n1\n")
    assert run("archive", "import", tmp_path / "ntu", tmp_path / "s.zarr", "--steps", 8) == 3
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert store.clips.status.tolist() == [Status.OK, Status.FAILED]
    assert "ends early" in store.results([1])[0].reason


def test_parts_of_a_long_video_by_a_manifest(tmp_path: Path) -> None:
    frames = [[{"x": 0.5 + frame / 1000, "y": 0.5} for _ in range(33)] for frame in range(40)]
    (tmp_path / "day.json").write_text(json.dumps(frames))
    (tmp_path / "clips.csv").write_text("path,start_s,end_s,class_name\nday.mp4,0,2,wave\nday.mp4,2,4,clap\n")
    arguments = [
        "archive",
        "import",
        tmp_path / "day.json",
        tmp_path / "s.zarr",
        "--manifest",
        tmp_path / "clips.csv",
    ]
    assert run(*arguments, "--format", "mediapipe", "--fps", 10, "--steps", 4) == 0
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert store.clips.class_names == ("clap", "wave")
    x = store["keypoints"][:, 0, :, 0, 0]
    np.testing.assert_allclose(x[:, 0], [0.004, 0.044], atol=1e-3)
    assert store["time_s"][1].tolist() == pytest.approx([2.2, 2.7, 3.2, 3.7])
    assert [result.frames for result in store.results([0, 1])] == [20, 20]


def test_sizes_of_pictures_and_skeletons_are_taken_from_the_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.save(tmp_path / "a.npy", np.full((4, 33, 3), 320.0))
    (tmp_path / "mine.yaml").write_text(f"name: mine\njoints: {list(map(str, range(33)))}\nedges: [[0, 1]]\n")
    arguments = ["archive", "import", tmp_path / "a.npy", tmp_path / "s.zarr", "--steps", 4]
    assert run(*arguments) == 1
    assert "--frame-size, such as 640x480 (joints reach to x = 320, y = 320)" in error_line(capsys)
    assert run(*arguments, "--frame-size", "640x400", "--skeleton", tmp_path / "mine.yaml") == 0
    store = FeatureStore.open(tmp_path / "s.zarr")
    assert (store.spec.skeleton, store.spec.edges) == ("mine", ((0, 1),))
    np.testing.assert_allclose(store["keypoints"][0, 0, 0, 0], [0, 0.6, 1], atol=1e-3)
    with pytest.raises(SystemExit):
        run(*arguments, "--frame-size", "640")
    assert "expected --frame-size such as 640x480, got '640'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "formats"),
    [
        ("--fps", 5, "features or keypoints of other programs"),
        ("--frame-size", "6x4", "keypoints of other programs"),
        ("--class-names", "x", "pyskl or ctrgcn"),
    ],
)
def test_options_of_other_formats_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: object, formats: str
) -> None:
    np.save(tmp_path / "a.npy", np.zeros((2, 3, 4, 5)))
    assert run("archive", "import", tmp_path, tmp_path / "s.zarr", option, value) == 1
    assert f"expected {option} with {formats} only, got npy" in error_line(capsys)


def test_what_is_no_format_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.bin").write_bytes(b"\x00")
    assert run("archive", "import", tmp_path / "x.bin", tmp_path / "s.zarr") == 1
    assert "not known by its suffix or beginning; --format says which" in error_line(capsys)
    np.save(tmp_path / "a.npy", np.zeros(()))
    assert run("archive", "import", tmp_path / "a.npy", tmp_path / "s.zarr", "--format", "features") == 1
    assert "expected arrays (frames, channels)" in error_line(capsys)


def test_sizes_and_rates_come_from_the_videos_of_the_manifest(
    tmp_path: Path, make_video: VideoMaker, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(gray_frames(20), "videos/a.mp4", fps=10)
    np.save(tmp_path / "a.npy", np.full((16, 33, 3), 16.0))  # nobody in the last four frames
    (tmp_path / "clips.csv").write_text("path\nvideos/a.mp4\n")
    arguments = [tmp_path / "a.npy", tmp_path / "s.zarr", "--manifest", tmp_path / "clips.csv", "--steps", 4]
    assert run("archive", "import", *arguments) == 0
    store = FeatureStore.open(tmp_path / "s.zarr")
    (result,) = store.results([0])
    assert (result.width_px, result.height_px, result.fps) == (64, 48, 10)
    np.testing.assert_allclose(store["keypoints"][0, 0, 0, 0], [-0.5, -1 / 3, 1], atol=1e-3)
    capsys.readouterr()
    (tmp_path / "videos/a.mp4").write_text("no video")
    assert run("archive", "import", *arguments, "--overwrite") == 1
    told, refused = capsys.readouterr().err.splitlines()
    assert "a.mp4 tells nothing of its keypoints" in told
    assert "give --frame-size" in refused
