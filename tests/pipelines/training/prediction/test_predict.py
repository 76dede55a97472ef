"""`heatpool predict`: whatever is named, the answers are the same; and the files that they go into."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import heatpool
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pipelines.cli import main
from heatpool.pipelines.training.prediction import scoring
from tests.fixtures.web_server import serving
from tests.pipelines.commands.prediction_cases import make_clip

UP, DOWN = np.linspace(40, 200, 13), np.linspace(200, 40, 13)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Serves tmp_path."""
    with serving(partial(SimpleHTTPRequestHandler, directory=str(tmp_path))) as address:
        yield address


def predict(run: Path, *words: str | Path) -> int:
    fixed = ["--device", "cpu", "--threads", "1", "--quiet"]
    return main(["predict", "--run", str(run), *map(str, words), *fixed])


def answers(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text()))


def test_files_folders_patterns_manifests_and_addresses(
    brightness_run: Path, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(tmp_path / "one.mp4", UP)
    make_clip(tmp_path / "folder" / "x" / "a.mp4", DOWN)
    make_clip(tmp_path / "folder" / "y" / "a.mp4", UP)
    make_clip(tmp_path / "takes" / "1 [b].mov", UP)
    make_clip(tmp_path / "takes" / "2.mov", DOWN)
    (tmp_path / "takes" / "notes.txt").write_text("no video")
    (tmp_path / "list.csv").write_text("clip_id,path,start_s,end_s\none,one.mp4,0,0.3\n2,one.mp4,0.2,\n")
    out = tmp_path / "out.json"
    code = predict(
        brightness_run, tmp_path / "one.mp4", tmp_path / "folder", tmp_path / "takes" / "*.mov",
        tmp_path / "takes" / "1 [b].mov", tmp_path / "list.csv", f"{server}/one.mp4?key=secret",
        f"{server}/one.mp4?key=secret2", "--out", out,
    )  # fmt: skip
    assert code == 0
    found = [
        (each["path"].removeprefix(f"{tmp_path}/"), each["start_s"], each["end_s"], each["labels"][0])
        for each in answers(out)
    ]
    assert found == [
        ("one.mp4", 0.0, None, "rise"),
        ("folder/x/a.mp4", 0.0, None, "fall"),
        ("folder/y/a.mp4", 0.0, None, "rise"),
        ("takes/1 [b].mov", 0.0, None, "rise"),
        ("takes/2.mov", 0.0, None, "fall"),
        ("one.mp4", 0.0, 0.3, "rise"),
        ("one.mp4", 0.2, None, "rise"),
        (f"{server}/one.mp4", 0.0, None, "rise"),
        (f"{server}/one.mp4#2", 0.0, None, "rise"),
    ]
    assert len({each["clip_id"] for each in answers(out)}) == 9
    assert "secret" not in out.read_text() + capsys.readouterr().out


def test_an_address_that_fails_does_not_end_the_others(
    brightness_run: Path, server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    video, out = make_clip(tmp_path / "one.mp4", UP), tmp_path / "out.json"
    assert predict(brightness_run, f"{server}/none.mp4?key=secret", video, "--out", out) == 3
    good, bad = answers(out)
    assert good["labels"][0] == "rise"
    assert (bad["path"], bad["status"], bad["labels"]) == (f"{server}/none.mp4", "failed", [])
    assert bad["reason"] == "cannot be fetched (HTTP Error 404: File not found)"
    assert re.search(r"^127\.0\.0\.1:\d+/none\.mp4 +failed: cannot be", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("{0}/no.mp4",), "expected a folder or manifest of videos, {0}/no.mp4 does not exist"),
        (("{0}/*.mkv",), "expected videos that fit {0}/*.mkv, there are none"),
        (("{0}/a.hpz",), "expected videos, {0}/a.hpz holds features: give it with --features"),
        (("ftp://host/a.mp4",), "expected http:// or https:// for a video, got ftp://; streams: --follow"),
        (("http://127.0.0.1:9/a.mp4",), "http://127.0.0.1:9/a.mp4: cannot be fetched (Connection refused)"),
        (("--features", "{0}/no.zarr"), "no such feature store"),
        (("--follow", "{0}/no.ts", "--window-s", "1"), "expected a stream, {0}/no.ts does not exist"),
    ],
)
def test_what_is_not_there_is_one_line(
    brightness_run: Path, tmp_path: Path, words: tuple[str, ...], line: str,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("no_proxy", "*")
    assert predict(brightness_run, *(word.format(tmp_path) for word in words)) == 1
    said = capsys.readouterr().err
    assert line.format(tmp_path) in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "expected videos, --features or --follow, got nothing to classify"),
        (("a.mp4", "--features", "b.zarr"), "got videos and --features"),
        (("--follow", "rtsp://camera/1"), "expected --window-s with --follow"),
        (("--features", "b.zarr", "--annotate", "c"), "expected --annotate with videos, got --features"),
        (("--features", "b.zarr", "--window-s", "4"), "expected --window-s with videos or a stream"),
    ],
)
def test_options_that_do_not_go_together(
    tmp_path: Path, words: tuple[str, ...], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict(tmp_path, *words)
    assert line in capsys.readouterr().err


def test_stored_features_give_the_answers_of_their_videos(brightness_run: Path, tmp_path: Path) -> None:
    folder, videos, stored, packed = brightness_run.parent, *(tmp_path / f"{n}.json" for n in "abc")
    assert predict(brightness_run, folder / "clips.csv", "--out", videos) == 0
    assert predict(brightness_run, "--features", folder / "features.zarr", "--out", stored) == 0
    heatpool.pack(folder / "features.zarr", tmp_path / "features.hpz")
    assert predict(brightness_run, "--features", tmp_path / "features.hpz", "--out", packed) == 0
    assert answers(stored) == answers(packed)
    for known, found in zip(answers(videos), answers(stored), strict=True):
        assert found["labels"] == known["labels"]
        assert found["clip_id"] == known["clip_id"]
        assert (found["start_s"], found["end_s"]) == (0.0, None)
        np.testing.assert_allclose(found["probabilities"], known["probabilities"], atol=2e-3)


def test_many_clips_are_scored_in_blocks(
    brightness_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = brightness_run.parent / "features.zarr"
    assert predict(brightness_run, "--features", store, "--out", tmp_path / "at_once.json") == 0
    sizes, load = list[int](), scoring.load_clips
    monkeypatch.setattr(scoring, "_BLOCK", 2)
    monkeypatch.setattr(
        scoring, "load_clips", lambda *given, **named: sizes.append(len(given[1])) or load(*given, **named)
    )
    assert predict(brightness_run, "--features", store, "--out", tmp_path / "in_blocks.json") == 0
    assert max(sizes) == 2
    assert len(sizes) > 1
    assert answers(tmp_path / "in_blocks.json") == answers(tmp_path / "at_once.json")


def test_segments_of_windows_go_into_every_file_and_back(
    brightness_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Brighter for 2 s, darker for 2 s."""
    levels = np.concatenate([np.linspace(30, 220, 50), np.linspace(220, 30, 50)])
    video, out = make_clip(tmp_path / "in" / "long.mp4", levels), tmp_path / "out"
    window = ("--window-s", "1", "--stride-s", "0.5")
    assert predict(brightness_run, video, *window, "--segments", out) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == ["video", "from", "to", "class", "confidence"]
    assert table[-1] == "7 windows of 1 video"

    with (out / "segments.csv").open(newline="") as file:
        first, last = csv.DictReader(file)
    assert (first["label"], last["label"]) == ("rise", "fall")
    assert (first["start_s"], last["end_s"]) == ("0.0", "4.0")
    assert first["end_s"] == last["start_s"]
    assert abs(float(first["end_s"]) - 2) <= 0.5
    assert (out / "timeline.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "long.srt").read_text().startswith("1\n00:00:00,000 --> 00:00:0")

    # Stored windows of the same length give the same segments.
    again = stored_segments(brightness_run, str(video), *window, out=tmp_path / "again")
    assert [(each["start_s"], each["end_s"], each["label"]) for each in again] == [
        (each["start_s"], each["end_s"], each["label"]) for each in (first, last)
    ]
    # So do other stored clips of one video; ids may say what they like.
    ids = ("up", "x@9.00-2.00")
    (tmp_path / "parts.csv").write_text(
        f"clip_id,path,start_s,end_s\n{ids[0]},in/long.mp4,0,2\n{ids[1]},in/long.mp4,2,\n"
    )
    parts = stored_segments(brightness_run, str(tmp_path / "parts.csv"), out=tmp_path / "parts")
    assert [(each["start_s"], each["end_s"], each["label"]) for each in parts] == [
        ("0.0", "2.0", "rise"),
        ("9.0", "11.0", "fall"),
    ]

    # And what was written for ELAN is a data set again.
    back = ["manifest", "--dataset", "elan", "--videos", str(tmp_path / "in"), "--tiers", "action"]
    assert main([*back, "--annotations", str(out / "long.eaf"), "--out", str(tmp_path / "back.csv")]) == 0
    clips = read_manifest(tmp_path / "back.csv").clips
    assert [(each.start_s, each.end_s, each.class_name) for each in clips] == [
        (float(each["start_s"]), float(each["end_s"]), each["label"]) for each in (first, last)
    ]
    assert predict(brightness_run, video, *window, "--segments", out) == 1
    assert "segments.csv already exists" in capsys.readouterr().err


def stored_segments(run: Path, *words: str, out: Path) -> list[dict[str, str]]:
    """Extract as for the run, predict from the store, and read the segments."""
    made = json.loads((run / "summary.json").read_text())["extraction"]["options"]
    names = ("backend", "weights", "tap", "detector", "steps", "persons")
    same = [f"--{name}={made[name]}" for name in names]
    store = f"{out}.zarr"
    assert main(["extract", *words, "--out", store, *same, "--device", "cpu", "--quiet"]) == 0
    assert predict(run, "--features", store, "--segments", out) == 0
    with (out / "segments.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_long_video_in_one_piece_is_warned_of(
    brightness_run: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    video = make_clip(tmp_path / "long.mp4", np.linspace(30, 220, 62), fps=1)
    assert predict(brightness_run, video) == 0
    assert "long.mp4: one answer for 62 s; --window-s 4 --stride-s 2 answers moment by moment" in caplog.text


def test_in_python_one_or_several(brightness_run: Path, tmp_path: Path) -> None:
    run = heatpool.load_run(brightness_run)
    videos = [make_clip(tmp_path / "a.mp4", UP), make_clip(tmp_path / "b.mp4", DOWN)]
    for given, labels in (
        (videos[0], ["rise"]),
        (str(tmp_path / "b.mp4"), ["fall"]),
        (videos, ["rise", "fall"]),
    ):
        found = run.predict(given, device="cpu", threads=1, quiet=True)
        assert [each.labels[0] for each in found] == labels
    stored = run.predict(
        features=brightness_run.parent / "features.zarr", device="cpu", threads=1, quiet=True
    )
    assert len(stored) == 16
