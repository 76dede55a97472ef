"""`python -m benchmarks.results` on a small store: its figures are those of the score files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import load_scores
from tests.paths import ROOT
from tests.pipelines.training.train_cases import make_store


@pytest.mark.slow
def test_the_page_holds_the_figures_of_the_runs(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr")
    page = tmp_path / "results.md"
    command = [
        sys.executable, "-m", "benchmarks.results", "--features", str(store), "--seeds", "2", "--epochs", "1",
        "--work", str(tmp_path / "work"), "--out", str(page),
    ]  # fmt: skip

    def run() -> str:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "heatpool train" in run()
    rows = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", page.read_text(), re.M))
    assert len([name for name in rows if name.startswith(("pooled_", "keypoints_"))]) == 8
    for name, place in (
        ("pooled_bone_motion", "results_streams/seed_{}/pooled_bone_motion"),
        ("all eight streams", "results_streams/seed_{}"),
        ("HP-Net", "results_hpnet/seed_{}/hpnet"),
    ):
        top1 = []
        for seed in (0, 1):
            scores = load_scores(tmp_path / "work" / place.format(seed) / "scores_test.npz")
            top1.append(100 * float((scores.scores.argmax(1) == scores.labels).mean()))
        assert rows[name].startswith(f"{np.mean(top1):.1f} ± {np.std(top1, ddof=1):.1f} (")
    text = page.read_text()
    assert "the store has no embeddings" in text
    assert "## Ablation" in text

    page.write_text(text.replace("## Figures", "## Old").replace("# Results", "# My results"))
    assert "heatpool train" not in run()  # nothing is trained again
    assert page.read_text() == text.replace("# Results", "# My results")
