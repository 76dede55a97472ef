"""`heatpool doctor` on a folder of everything that goes wrong."""

from __future__ import annotations

import csv
import hashlib
import shutil
import wave
from pathlib import Path

import numpy as np
import pytest

from heatpool.extract.datasets.check_clips import ClipProblem, check_clips
from heatpool.extract.datasets.check_videos import check_videos
from heatpool.extract.video.clip_events import ClipJob
from heatpool.pipelines import cli
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.conftest import VideoMaker, gray_frames
from tests.extract.datasets.test_windows import with_gap
from tests.extract.video.test_pictures import write_pictures
from tests.extract.video.test_reader import rotate_in_header
from tests.fixtures.onnx_networks import heatmap_network


@pytest.fixture
def ward(make_video: VideoMaker, tmp_path: Path) -> Path:
    """Two healthy videos with odd names, a rotated one, a copy, and nine that are ill."""
    folder = tmp_path / "ward"
    noise = np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), np.uint8)
    make_video(gray_frames(30), "ward/good.mp4")
    shutil.copy(folder / "good.mp4", folder / "another name.mp4")
    make_video(gray_frames(21), "ward/höflich 礼.mp4")
    make_video(gray_frames(22), 'ward/it\'s "so", really.mp4')
    rotate_in_header(make_video(gray_frames(20), "ward/rotated.mp4"))
    for name, codec in (
        ("cut.avi", "mpeg4"),
        ("cut_before_index.mp4", "libx264"),
        ("cut_late.mkv", "libx264"),
    ):
        whole = make_video([*noise, *noise], name, codec=codec).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    scratched = bytearray(make_video(list(noise), "scratched.mp4").read_bytes())
    at = len(scratched) // 2
    scratched[at : at + 3000] = bytes(3000)
    (folder / "scratched.mp4").write_bytes(scratched)
    (folder / "text.mp4").write_text("not a video at all\n" * 20)
    (folder / "empty.mp4").touch()
    make_video(gray_frames(1), "ward/single.mp4")
    with wave.open(str(folder / "sound.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16_000))
    return folder


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def read(path: Path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["clip_id"]: row for row in csv.DictReader(file)}


ILL = {
    "cut": "truncated",
    "cut_before_index": "truncated",
    "cut_late": "truncated",
    "text": "unreadable",
    "empty": "empty",
    "single": "too_short",
    "sound": "no_frames",
    "good": "duplicate",
    "another name": "duplicate",
}


def test_everything_is_named_rightly(ward: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = digests(ward)
    assert cli.main(["doctor", str(ward), "--workers", "2"]) == 3
    said = capsys.readouterr().out
    rows = read(ward / "doctor.csv")
    assert len(rows) == 13
    for name, row in rows.items():
        ills = row["findings"].split(";")
        assert ills == [*([ILL[name]] if name in ILL else []), "unlabelled"], name
    good = rows["good"]
    facts = (good["frames"], good["fps"], good["seconds"], good["width_px"], good["height_px"], good["codec"])
    assert facts == ("30", "25.0", "1.2", "64", "48", "h264")
    assert {name for name, row in rows.items() if row["rotation_deg"] != "0"} == {"rotated"}
    assert rows["höflich 礼"]["frames"] == "21"
    assert rows['it\'s "so", really']["frames"] == "22"
    assert "same content: another name.mp4 = good.mp4" in said
    assert "error: 3 truncated" in said
    assert "cut_before_index: an mp4 file that ends before its index (moov)" in said
    assert "rotated 1; mirrored 0; scaled to square pixels 0" in said
    (ward / "doctor.csv").unlink()
    assert digests(ward) == before


def test_decoding_finds_damage_inside(ward: Path) -> None:
    paths = [ward / "scratched.mp4", ward / "good.mp4", ward / "rotated.mp4"]
    reports = check_videos(dict.fromkeys(paths, 0.0), workers=1)
    jobs = [ClipJob(at, path) for at, path in enumerate(paths)]
    quick, whole = (check_clips(jobs, reports, decode=each, workers=1) for each in (False, True))
    assert quick == [ClipProblem()] * 3
    assert [problem.kind for problem in whole] == ["damaged", "", ""]


def test_doctor_and_extract_come_to_the_same_verdict(ward: Path, tmp_path: Path) -> None:
    """Of whole videos, and of windows: before, in and behind a gap, of one frame, over and behind the end."""
    with_gap(ward / "gap.mp4")
    windows = ["0,1", "1.2,2", "2.4,2.6", "4,9", "9,12", "3,2"]
    names = sorted(path.name for path in ward.iterdir())
    lines = ['"{}",,'.format(name.replace('"', '""')) for name in names]
    lines += [f"gap.mp4,{window}" for window in windows] + ["gone.mp4,,"]
    clips = ward / "clips.csv"
    clips.write_text(
        "\n".join(["clip_id,path,start_s,end_s", *(f"{at},{each}" for at, each in enumerate(lines))])
    )
    network = ["--backend", "tiny", "--detector", "full-frame", "--device", "cpu", "--threads", "1"]
    assert cli.main(["extract", str(clips), str(tmp_path / "a.zarr"), "--steps", "8", *network]) == 3
    assert cli.main(["doctor", str(clips), "--decode", *network]) == 3
    store = FeatureStore.open(tmp_path / "a.zarr")
    results = store.results(range(len(store)))
    bad = {str(at) for at, each in enumerate(results) if each.status in (Status.FAILED, Status.TRUNCATED)}
    kinds = {"missing", "empty", "unreadable", "no_frames", "truncated", "damaged", "too_short"}
    rows = read(ward / "doctor.csv")
    assert {name for name, row in rows.items() if kinds & set(row["findings"].split(";"))} == bad
    of_windows = {lines[int(name)]: row["findings"].split(";")[0] for name, row in rows.items()}
    assert [of_windows[f"gap.mp4,{window}"] for window in windows] == [
        "unlabelled", "no_frames", "too_short", "window", "no_frames", "no_frames"
    ]  # fmt: skip
    assert 0 < len(bad) < len(rows)


def test_boxes_and_networks_are_looked_at_as_extract_does(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video = make_video(gray_frames(12), "a.mp4")
    boxes = tmp_path / "boxes.csv"
    network = heatmap_network(tmp_path / "pose.onnx")
    out = ["--out", str(tmp_path / "doctor.csv")]
    onnx = ["--backend", "onnx", "--weights", str(network), "--device", "cpu", "--tap"]
    boxed = ["--boxes", str(boxes)]

    def say(text: str, *options: str) -> tuple[int, str]:
        boxes.write_text("path,frame,x1,y1,x2,y2,score\n" + text)
        code = cli.main(["doctor", str(video), *out, *boxed, *options])
        return code, capsys.readouterr().out

    assert say("a.mp4,0,3,4,30,40,1\n", *onnx, "brightness")[0] == 0
    code, said = say("a.mp4,0,30,4,3,40,1\n", *onnx, "brightness")
    assert (code, said.count("expected x1 < x2 and y1 < y2")) == (3, 1)
    code, said = say("a.mp4,40,3,4,30,40,1\n")
    assert (code, said.count("are of frames that the video does not have")) == (3, 1)
    code, said = say("a.mp4,0,3,4,30,40,1\na.mp4,1,nan,4,30,40,1\n")
    assert (code, said.count("missing or not finite are left out")) == (0, 1)
    code, said = say("a.mp4,0,3,4,30,40,1\n", *onnx, "no such tensor")
    assert (code, "error: " in said, "no such tensor" in said) == (3, True, True)


def manifest(folder: Path, *rows: str, disjoint: str = "") -> Path:
    path = folder / "clips.csv"
    lines = ["path,class_name,subject,start_s,end_s,xsub,disjoint", *(f"{row},{disjoint}" for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_splits_windows_and_copies(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(4):
        make_video(gray_frames(25 + at), f"{at}.mp4")
    shutil.copy(tmp_path / "0.mp4", tmp_path / "copy.mp4")
    clips = manifest(
        tmp_path,
        "0.mp4,wave,1,,,train",
        "1.mp4,clap,2,,,train",
        "2.mp4,wave,1,0,9,test",
        "3.mp4,jump,3,,,test",
        "copy.mp4,clap,4,,,val",
        "gone.mp4,wave,5,,,val",
        disjoint="xsub=subject",
    )
    assert cli.main(["doctor", str(clips)]) == 3
    said = capsys.readouterr().out
    assert "error: xsub: 1 subject both in train and test: 1" in said
    assert "error: xsub: copies of 1 video both in train and val: 0.mp4, copy.mp4" in said
    assert "error: same content with different labels: 0.mp4 = copy.mp4" in said
    assert "error: xsub: 1 class of val or test without a train clip: jump" in said
    assert "warning: xsub has 2 test clips: guessing alone gets 0 to 100 % of them right" in said
    rows = read(tmp_path / "doctor.csv")
    assert rows["2"]["findings"] == "window;subject_leak"
    assert rows["2"]["message"].startswith("the clip reaches to 9 s, the video to 1.08 s")
    assert rows["gone"]["findings"] == "missing"
    assert rows["1"]["findings"] == ""


def test_metadata_alone_and_an_intact_set(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for at in range(3):
        make_video(gray_frames(25 + at), f"{at}.mp4")
    lines = [
        f"{part}{at},{video}.mp4,{'wave' if at % 2 else 'clap'},{video + 1},{at / 50},{at / 50 + 0.4},{part}"
        for video, (part, clips_of) in enumerate((("train", 10), ("val", 2), ("test", 30)))
        for at in range(clips_of)
    ]
    clips = tmp_path / "clips.csv"
    clips.write_text("\n".join(["clip_id,path,class_name,subject,start_s,end_s,xsub", *lines]))
    for option in ("--metadata-only", "--decode"):
        assert cli.main(["doctor", str(clips), option]) == 0
        assert "nothing wrong" in capsys.readouterr().out
        frames = {row["path"]: row["frames"] for row in read(tmp_path / "doctor.csv").values()}
        assert frames["1.mp4"] == ("0" if option == "--metadata-only" else "26")
    # A protocol of one's own is judged by no data set's rule, whatever its name.
    clips.write_text(clips.read_text().replace("wave,3,", "wave,1,"))
    assert cli.main(["doctor", str(clips), "--metadata-only"]) == 0
    assert "warning: xsub: 1 subject both in train and test: 1; if that is wrong" in capsys.readouterr().out
    assert cli.main(["doctor", str(clips), "--metadata-only", "--disjoint", "xsub=subject"]) == 3
    assert cli.main(["doctor", str(clips), "--disjoint", "other=subject"]) == 1
    assert "expected --disjoint of xsub, got 'other'" in capsys.readouterr().err


def test_the_manifest_is_never_the_report(
    make_video: VideoMaker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_video(gray_frames(25), "0.mp4")
    clips = manifest(tmp_path, "0.mp4,wave,1,,,train")
    before = clips.read_bytes()
    assert cli.main(["doctor", str(clips), "--out", str(clips)]) == 1
    assert "is no report of doctor's" in capsys.readouterr().err
    assert clips.read_bytes() == before


def test_folders_of_pictures_are_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = write_pictures(tmp_path / "whole", list(range(10)))
    shutil.copytree(whole, tmp_path / "copy")
    write_pictures(tmp_path / "holes", [*range(12), *range(14, 26)])
    write_pictures(tmp_path / "one", [3])
    spoilt = write_pictures(tmp_path / "spoilt", list(range(11)))
    (spoilt / "img_00007.png").write_bytes((spoilt / "img_00007.png").read_bytes()[:60])
    (tmp_path / "none").mkdir()
    names = ("whole", "copy/img_%05d.png", "holes", "one", "spoilt", "none", "gone", "away/img_%05d.png")
    clips = tmp_path / "clips.csv"
    clips.write_text("\n".join(["path,fps", *(f"{name},20" for name in names), "rateless,"]))
    shutil.copytree(whole, tmp_path / "rateless")
    assert cli.main(["doctor", str(clips), "--decode"]) == 3
    rows = read(tmp_path / "doctor.csv")
    found = {row["path"]: row["findings"].partition(";unlabelled")[0] for row in rows.values()}
    assert found == {
        "whole": "duplicate", "copy/img_%05d.png": "duplicate", "rateless": "unreadable;duplicate",
        "holes": "truncated", "one": "too_short", "spoilt": "damaged", "none": "no_frames", "gone": "missing",
        "away/img_%05d.png": "missing",
    }  # fmt: skip
    row = rows["whole"]
    facts = (row["frames"], row["fps"], row["seconds"], row["width_px"], row["codec"], row["rotation_deg"])
    assert facts == ("10", "20.0", "0.5", "64", "png", "0")
    assert "cannot read img_00007.png" in capsys.readouterr().out
