"""The README's first command on its smallest data set: one process, every stage for real."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from heatpool.pool.records import Status
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.program import run_program, said


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return run_program("demo", "--small", "--out", "out", *options, cwd=folder)


def test_videos_become_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = demo(tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.splitlines()[-1].startswith("fused ")
    assert "open out/run/report.html" in done.stderr
    assert done.stderr.count("no real people in this demo: the package index does not answer") == 1
    store = FeatureStore.open(tmp_path / "out" / "features.zarr")
    assert len(store) == 9
    assert (store.clips.status == Status.OK).all()
    assert (store.clips.persons >= 1).all()
    summary = json.loads((tmp_path / "out" / "run" / "summary.json").read_text())
    assert summary["clips"] == {"train": 3, "val": 3, "test": 3}
    page = (tmp_path / "out" / "run" / "report.html").read_text(encoding="utf-8")
    assert "<img" in page  # frames with boxes and joints drawn on them
    assert_joints_lie_on_people(store, tmp_path / "out" / "dataset" / "videos")

    assert_predictions_are_the_runs_own(tmp_path)
    again = demo(tmp_path)  # everything is there: it only looks
    assert again.returncode == 0, again.stderr
    for option, value in (("--seed", "1"), ("--classes", "objects")):
        assert main(["demo", "--small", "--out", str(tmp_path / "out"), option, value, "--quiet"]) == 1
        assert "another spec" in said(capsys)


def assert_predictions_are_the_runs_own(folder: Path) -> None:
    """Videos of the test part, extracted anew, get the scores that training wrote of them."""
    known = load_scores(folder / "out" / "run" / "scores_test.npz")
    videos = folder / "new"
    videos.mkdir()
    for clip in known.clip_ids:
        shutil.copy(folder / "out" / "dataset" / "videos" / f"{clip}.mp4", videos / f"{Path(clip).name}.mp4")
    (videos / "text.mp4").write_text("no video")
    command = ["predict", "--run", "out/run", "new", "--out", "answers.json", "--top", "2"]
    done = run_program(*command, cwd=folder)
    assert done.returncode == 3, done.stderr  # the text file
    answers = {Path(each["path"]).stem: each for each in json.loads((folder / "answers.json").read_text())}
    assert answers["text"]["status"] == "failed"
    assert answers["text"]["labels"] == []
    assert re.search(r"^text\.mp4 +failed: ", done.stdout, re.MULTILINE)
    for clip, scores in zip(known.clip_ids, known.log_probabilities(), strict=True):
        answer = answers[Path(clip).name]
        best = np.argsort(-scores)[:2]
        assert answer["labels"] == [known.class_names[label] for label in best]
        np.testing.assert_allclose(answer["probabilities"], np.exp(scores[best]), atol=0.01)
    again = run_program(*command, cwd=folder)
    assert again.returncode == 1
    assert again.stderr.endswith(
        "answers.json already exists; choose another or replace it with --overwrite\n"
    )


def assert_joints_lie_on_people(store: FeatureStore, videos: Path) -> None:
    """Stored joints of one-person clips lie where the person was drawn: the whole geometry at once."""
    near = []
    for row in np.flatnonzero(store.clips.persons == 1):
        truth = np.load(videos / f"{store.clips.index.clip_id[row]}.npz")
        if truth["joints_xy_px"].shape[1] != 1:
            continue
        arrays = store.read(np.array([row]), arrays=("keypoints", "time_s"))
        joints = (arrays["keypoints"][0, 0, :, :, :2].astype(np.float64) + 1) / 2 * [256, 192]
        frame = np.rint(arrays["time_s"][0] * 30).astype(int)
        drawn, visible = truth["joints_xy_px"][frame, 0], truth["visible"][frame, 0]
        box = truth["boxes_xyxy_px"][frame, 0]
        size = (box[:, 2:] - box[:, :2]).max(1)[:, None]
        near.append((np.linalg.norm(joints - drawn, axis=-1) < 0.1 * size)[visible])
    assert np.concatenate(near).mean() > 0.85
