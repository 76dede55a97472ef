"""docs/predict.md is run, from top to bottom, so that it cannot go stale."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import heatpool
from heatpool.pipelines import cli
from tests.paths import ROOT
from tests.pipelines.commands.prediction_cases import make_clip

PAGE = (ROOT / "docs" / "predict.md").read_text(encoding="utf-8")


def commands(title: str) -> list[list[str]]:
    blocks = re.findall(rf"^```sh{title}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    return [shlex.split(line, comments=True)[1:] for block in blocks for line in block.splitlines()]


def test_the_page_runs(
    brightness_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    up = np.linspace(40, 200, 13)
    for name, levels in {
        "clip.mp4": up,
        "takes/1.mov": up[::-1],
        "new_videos/a.mp4": up,
        "long.mp4": np.concatenate([np.linspace(30, 220, 50), np.linspace(220, 30, 50)]),
        "long.ts": np.linspace(30, 220, 60),
    }.items():
        make_clip(tmp_path / name, levels)
    (tmp_path / "clips.csv").write_text("path\nclip.mp4\n")
    shutil.copytree(brightness_run, tmp_path / "work_dirs" / "mine")
    heatpool.pack(brightness_run.parent / "features.zarr", tmp_path / "features.hpz")
    monkeypatch.chdir(tmp_path)
    run = commands("")
    assert len(run) == 7
    for words in run:
        assert cli.main(words) == 0, words
    said = capsys.readouterr().out
    table = re.search(r"^```text\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert table
    header, *rows = table[1].splitlines()
    assert header.split() == ["video", "from", "to", "class", "confidence"]
    assert re.search(r"^video +from +to +class +confidence$", said, re.MULTILINE)
    assert all(re.fullmatch(r"\S+ +[\d:.]+ +[\d:.]+ +\S+ +[\d.]+ %", row) for row in rows[:-1])
    assert "3 windows of 1 video" in said
    assert {path.name for path in (tmp_path / "answers").iterdir()} == {
        "segments.csv", "timeline.png", "long.eaf", "long.srt"
    }  # fmt: skip
    (code,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(compile(code, "docs/predict.md", "exec"), names)
    assert len(names["windows"]) == 3  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("\n") == 2


def test_what_needs_a_camera_is_a_command_at_least() -> None:
    (first, second) = commands(' title="not run here"')
    assert cli.read_command(first).follow == "rtsp://camera/1"
    assert cli.read_command(second).segments == Path("today")
