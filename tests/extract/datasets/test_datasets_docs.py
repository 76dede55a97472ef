"""docs/datasets.md is run, so that it cannot go stale."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from heatpool.extract.datasets import DATASETS, SPECS
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pipelines import cli
from heatpool.pool.records import Split
from tests.extract.datasets.dataset_files import touch
from tests.paths import ROOT

DOCUMENT = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def test_a_new_data_set_is_one_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gym_videos").mkdir()
    for subject in range(1, 13):
        for action in ("squat", "lunge", "spot", "rest"):
            (tmp_path / "gym_videos" / f"{action}_p{subject:02}_cam1_take1.mp4").touch()
    (tmp_path / "gym_videos" / "holiday.mp4").touch()
    monkeypatch.chdir(tmp_path)
    (code,) = blocks("python")
    exec(compile(code, "docs/datasets.md", "exec"), {})
    manifest = read_manifest(tmp_path / "gym.csv")
    assert Counter(clip.splits["xsub"] for clip in manifest.clips) == {
        Split.TRAIN: 24,
        Split.VAL: 3,
        Split.TEST: 9,
    }
    clip = next(clip for clip in manifest.clips if clip.clip_id == "spot_p08_cam1_take1")
    assert (clip.label, clip.class_name, clip.persons) == (2, "help a lifter", 2)
    assert (clip.columns["subject"], clip.columns["camera"]) == ("8", "1")
    excluded = capsys.readouterr().out.splitlines()
    assert len(excluded) == 13
    assert "holiday.mp4 its name is none of gym" in excluded
    assert "rest_p01_cam1_take1.mp4 its class is none of gym" in excluded


def test_the_table_names_every_data_set_and_its_protocols() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (?:`([^`]+)`|the same)[^|]*\| ([^|]+) \|", DOCUMENT, re.MULTILINE)
    told = {name: (video, re.findall(r"`(\w+)`", protocols)) for name, video, protocols in rows}
    assert told.keys() == DATASETS.keys() - {"folder", "csv", "list", "intervals", "elan", "boris"}
    for make in SPECS:
        spec = make()
        video, protocols = told[spec.name]
        assert protocols == list(spec.splits)
        assert not video or spec.fields(video.rpartition(".")[0]) is not None


def test_the_commands_run_and_say_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the files that the page shows, and empty videos and pictures."""
    for name, content in re.findall(r'```\w+ title="([^"]+)"\n(.*?)```', DOCUMENT, re.DOTALL):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, encoding="utf-8")
    videos = [f"my_videos/{action}/{at}.mp4" for action in ("wave", "clap") for at in range(10)]
    frames = [
        f"frames/{name}/img_{at:05}.jpg"
        for name in ("wave/anna_1", "wave/ben_1", "clap/anna_2")
        for at in (1, 2)
    ]
    touch(tmp_path, *videos, *frames, "recordings/a/monday.mp4", "recordings/tuesday.mp4")
    table = [f"{action}/{at},{action},{at}" for action in ("wave", "clap") for at in range(10)]
    (tmp_path / "table.csv").write_text("\n".join(["file,action,person", *table]))
    monkeypatch.chdir(tmp_path)
    promised = commands = 0
    for line in (line for block in blocks("sh") for line in block.splitlines()):
        words = shlex.split(line, comments=True)
        if words[:2] == ["heatpool", "manifest"]:
            commands += 1
            capsys.readouterr()
            assert cli.main(words[1:]) == 0
            said = capsys.readouterr().err
        elif words:
            assert cli.read_command(words[1:])  # the options are there
        elif re.match(r"# \w+\.csv: ", line):
            promised += 1
            assert line.removeprefix("# ") in said
    assert (commands, promised) == (8, 6)
    parts = Counter(clip.splits["split"] for clip in read_manifest(tmp_path / "clips.csv").clips)
    assert parts == {Split.TRAIN: 14, Split.VAL: 2, Split.TEST: 4}
