"""`benchmarks.real` and `.streams`: from clips to tables whose figures are those of the score files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import streams
from heatpool.classify.scores.scores import ClipScores, load_scores
from heatpool.extract.demo.dataset import DemoSpec, render_demo
from tests.paths import ROOT


def scores(*top: int) -> ClipScores:
    """Three clips of class 0, and which of two classes each is taken for."""
    return ClipScores(
        ("a", "b", "c"), np.eye(2, dtype=np.float32)[list(top)], np.zeros(3, np.int64), ("walk", "run")
    )


def test_each_stream_is_compared_with_the_first() -> None:
    of_streams = {"pooled_joint": [scores(0, 1, 1), scores(0, 0, 1)], "fused": [scores(0, 0, 0)] * 2}
    lines = list(streams.table(of_streams, None))
    assert lines[2] == "| pooled_joint | 50.0 ± 23.6 |  |"
    assert lines[3].startswith("| fused | 100.0 ± 0.0 | +50.0 (")


def run(module: str, *words: object) -> str:
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_from_clips_to_tables(tmp_path: Path) -> None:
    demo = DemoSpec(classes=("clap", "kick"), subjects=(1, 2, 3, 4), cameras=(1, 2), max_frames=48)
    clips = render_demo(demo, tmp_path / "demo")
    network = "small=--backend tiny --detector tiny --steps 4"
    given = ["--fold-by", "subject", "--folds", 2, "--seeds", 2, "--threads", 1]

    words = [clips, "--network", network, "--heads", "linear", "--work", tmp_path / "real", *given]
    said = run("benchmarks.real", *words)
    rows = dict(re.findall(r"^\| ([^|]+?) \| [\d.]+ \| ([\d.]+) ± ", said, re.M))
    assert set(rows) == {"pooled", "map mean", "keypoints", "pooled + map mean", "pooled + keypoints"}
    assert "16 of 16 clips" in said
    store = tmp_path / "real" / f"{clips.stem}-small.zarr"
    top1 = []
    for seed in (0, 1):
        found = load_scores(store.with_name(f"{store.stem}-linear") / f"pooled/seed_{seed}/scores_test.npz")
        top1.append(100 * float((found.scores.argmax(1) == found.labels).mean()))
    assert rows["pooled"] == f"{np.mean(top1):.1f}"
    assert run("benchmarks.real", *words) == said  # nothing is extracted or trained again

    words = [store, "--streams", "pooled_joint,pooled_joint_motion", "--heads", "linear", *given]
    said = run("benchmarks.streams", *words, "--work", tmp_path / "streams")
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([\d.]+) ± ", said, re.M))
    assert set(rows) == {"pooled_joint", "pooled_joint_motion", "fused"}
