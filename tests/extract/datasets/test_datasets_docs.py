"""docs/datasets.md is run, so that it cannot go stale."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from pathlib import Path

import pytest

from heatpool.extract.datasets import DATASETS, SPECS
from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pool.records import Split
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
    assert told.keys() == DATASETS.keys() - {"folder", "csv"}
    for make in SPECS:
        spec = make()
        video, protocols = told[spec.name]
        assert protocols == list(spec.splits)
        assert not video or spec.fields(video.rpartition(".")[0]) is not None


def test_the_commands_are_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from heatpool.pipelines import cli

    for action in ("wave", "clap"):
        (tmp_path / "my_videos" / action).mkdir(parents=True)
        for at in range(10):
            (tmp_path / "my_videos" / action / f"{at}.mp4").touch()
    table = [f"{action}/{at},{action},{at}" for action in ("wave", "clap") for at in range(10)]
    (tmp_path / "table.csv").write_text("\n".join(["file,action,person", *table]))
    monkeypatch.chdir(tmp_path)
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("heatpool")]
    assert len(lines) == 6
    for line in lines:
        words = shlex.split(line)[1:]
        if words[0] == "manifest":
            assert cli.main(words) == 0
            parts = Counter(clip.splits["split"] for clip in read_manifest(tmp_path / "clips.csv").clips)
            assert parts == {Split.TRAIN: 14, Split.VAL: 2, Split.TEST: 4}
        else:
            assert cli.read_command(words)  # the options are there
