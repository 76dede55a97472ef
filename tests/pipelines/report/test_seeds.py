"""The report of a run with several seeds and many streams."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.pipelines.training.train_cases import make_store, train

FAST = ("--model", "linear", "--epochs", "1", "--seeds", "2", "--quiet")


def test_the_headline_is_the_mean_over_seeds(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr")
    streams = "joint,bone,joint_motion,bone_motion,keypoints_joint"
    assert train(store, tmp_path / "run", "--streams", streams, *FAST) == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "run" / "seeds.json").read_text())["figures"]
    top1, ece = (figures["fused"]["test"][name] for name in ("acc/top1", "calibration/ece"))
    assert f'<p class="figure">{100 * top1["mean"]:.1f} %</p>' in page
    assert f"<title>features · xsub · linear: {100 * top1['mean']:.1f} % top-1</title>" in page
    assert "(fused, mean of 2 seeds" in page
    over = page[page.index("Over 2 seeds") : page.index("Everything else")]
    assert len(re.findall('<th scope="row">', over)) == 6
    assert f"{100 * ece['mean']:.1f} ± {100 * ece['std']:.1f} %" in over
    # Bars of the main result only, so that what a class is taken for stays in sight.
    classes = page[page.index('<section id="classes">') : page.index('<section id="curves">')]
    assert classes.count('class="track"') == 2


@pytest.mark.slow
def test_the_fusion_of_one_stream_is_not_a_result(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr")
    assert train(store, tmp_path / "run", "--streams", "joint", *FAST) == 0
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    over = page[page.index("Over 2 seeds") : page.index("Everything else")]
    assert re.findall(r'<th scope="row">(\w+)', over) == ["pooled_joint"]
