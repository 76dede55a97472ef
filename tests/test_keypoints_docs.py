"""docs/keypoints.md: its commands run, on small files of each kind, and leave what they promise."""

from __future__ import annotations

from pathlib import Path

import pytest

import heatpool
from tests.pool.exchange.keypoints.sample_files import WRITERS
from tests.test_docs import run_commands

SKELETONS = {
    "sleap": 3, "deeplabcut": 3, "coco": 17, "mmpose": 17, "openpose": 25, "alphapose": 17, "ultralytics": 17,
    "mediapipe": 33, "world": 33, "ntu": 25, "ntu_2d": 25, "ctrgcn": 25, "movement": 3,
    "i3d": 1,
}  # fmt: skip


def test_the_commands_of_keypoints_md_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for write in WRITERS:
        write(tmp_path)
    run_commands("keypoints.md", tmp_path, monkeypatch)
    for name, joints in SKELETONS.items():
        store = heatpool.open(f"{name}.zarr")
        assert store.spec.joints == joints, name
        assert len(store.clips.rows()) == len(store), name
    assert heatpool.load_run("work_dirs/ntu").protocol == "xsub"
    parts = heatpool.open("parts.zarr")
    assert (len(parts), parts.clips.class_names) == (6, ("groom", "rear"))
    assert heatpool.load_run("work_dirs/parts").figures["fused"].clips == 2
