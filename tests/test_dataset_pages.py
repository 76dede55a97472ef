"""The commands of smarthome.md and ntu.md, on gray videos that are called as the real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from tests.conftest import VideoMaker, gray_frames
from tests.paths import ROOT
from tests.test_docs import commands_of

# What the real commands need and no test has: weights, a graphics card, hours. An option goes with its value.
STAND_INS = {
    "--as-published": "--backend tiny --detector full-frame --steps 4 --persons 1 --threads 1",
    "--persons 1": "",
    "--backend hrnet-simcc": "",
    "--weights pose_hrnet_w48_256x192_split2_sigma4.pth": "",
    "--detector yolo26s.pt": "",
    "--rgb crops": "",
    "--model ctrgcn": "--model linear",
    "--recipe paper": "--epochs 1 --threads 1",
}
SMARTHOME = [
    f"{action}_p{subject:02}_r00_v01_c{camera:02}.mp4"
    for action in ("Cutbread", "Walk")
    for subject, camera in ((3, 1), (4, 1), (19, 5), (2, 2))
]
NTU = [f"S001C001P{subject:03}R001A{action:03}_rgb.avi" for action in (1, 2) for subject in (1, 2, 4, 3)]


@pytest.mark.parametrize(
    ("page", "videos", "more", "fused"),
    [
        ("smarthome.md", [f"smarthome/{name}" for name in SMARTHOME], {}, "cv1"),
        # One HP-Net is enough.
        ("ntu.md", [f"nturgb+d_rgb/{name}" for name in NTU], {"--model hpnet": "--model linear"}, "xsub"),
    ],
)
def test_the_way_from_videos_to_the_table(
    page: str, videos: list[str], more: dict[str, str], fused: str,
    make_video: VideoMaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for at, name in enumerate(videos):
        make_video([frame + np.uint8(9 * at) for frame in gray_frames(4)], name)
    monkeypatch.chdir(tmp_path)
    for command in commands_of(ROOT / "docs" / page):
        if "--labels" in command:  # the authors' files; tests/pipelines/commands/test_fuse.py reads them
            continue
        line = command
        for real, stand_in in {**STAND_INS, **more}.items():
            line = line.replace(real, stand_in)
        assert main(line.split()[1:]) == 0, command
    scores = load_scores(Path(f"work_dirs/{fused}_fused/scores_test.npz"))
    assert len(scores) == 2
    assert all(("_c02" if fused == "cv1" else "P003") in name for name in scores.clip_ids)
