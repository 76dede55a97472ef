"""Stage one from Python: what a script and a notebook call."""

from __future__ import annotations

import inspect
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from heatpool.pipelines.extraction import run
from heatpool.pipelines.extraction.describe import describe_store
from heatpool.pipelines.extraction.run import extract
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.spec import StoreSpec
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network

OPTIONS = {
    "tap": "brightness",
    "detector": "full-frame",
    "steps": 4,
    "shard_clips": 1,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture
def videos(make_video: VideoMaker, tmp_path: Path) -> Path:
    """Two clips and a text file that is called one."""
    for name in "ab":
        make_video(gray_frames(6), f"videos/{name}.mp4")
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    return tmp_path / "videos"


def test_a_record_and_not_a_word_on_stdout(
    videos: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    network = str(heatmap_network(tmp_path / "pose.onnx"))
    done = extract(videos, weights=network, quiet=True, **OPTIONS)
    assert capfd.readouterr() == ("", "")
    assert done.store == videos / "features.zarr"
    assert done.counts == {"ok": 2, "failed": 1}
    assert list(done.failures) == ["text"]
    assert "cannot open text.mp4" in done.failures["text"]
    assert len(done.open()) == 3
    with pytest.raises(HeatpoolError, match="already exists; choose another, resume it with"):
        extract(videos, weights=network, quiet=True, **OPTIONS)
    again = extract(videos, weights=network, quiet=True, resume=True, **OPTIONS)
    assert (again.counts, again.failures) == (done.counts, done.failures)


def test_split_rules_come_from_the_manifest_and_the_option(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text(
        "path,label,subject,camera,xsub,mine,disjoint\n"
        "videos/a.mp4,0,1,1,train,train,xsub=subject\n"
        "videos/b.mp4,0,2,2,test,val,xsub=subject\n"
    )
    network = str(heatmap_network(tmp_path / "pose.onnx"))
    done = extract(tmp_path / "clips.csv", weights=network, quiet=True, disjoint="mine=camera", **OPTIONS)
    assert done.open().clips.index.disjoint == {"xsub": "subject", "mine": "camera"}
    with pytest.raises(HeatpoolError, match="expected --disjoint of xsub, mine, got 'other'"):
        extract(
            tmp_path / "clips.csv", tmp_path / "y.zarr", weights=network, disjoint="other=camera", **OPTIONS
        )


SCRIPT = """
import heatpool

print("once")
done = heatpool.extract("videos", "x.zarr", weights="pose.onnx", workers=2, quiet=True, **{options})
print(dict(done.counts))
"""


def test_a_folder_of_pictures_is_a_video_and_its_store_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "walk").mkdir()
    for number, frame in enumerate(gray_frames(5)):
        Image.fromarray(frame).save(tmp_path / "walk" / f"img_{number}.png")
    network = str(heatmap_network(tmp_path / "pose.onnx"))
    done = extract(tmp_path / "walk", weights=network, fps=5.0, **OPTIONS)
    assert (done.store, dict(done.counts)) == (tmp_path / "features.zarr", {"ok": 1})
    clips = done.open().clips
    assert (clips.clip_ids(np.array([0]))[0], clips.fps[0], clips.frames[0]) == ("walk", 5, 5)


def test_a_script_without_a_guard_may_have_workers(videos: Path, tmp_path: Path) -> None:
    heatmap_network(tmp_path / "pose.onnx")
    (tmp_path / "script.py").write_text(SCRIPT.format(options=OPTIONS))
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=250
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["once", "{'ok': 2, 'failed': 1}"]


def test_a_damaged_data_set_is_an_error(videos: Path, tmp_path: Path) -> None:
    for name in "ab":
        (videos / f"{name}.mp4").write_text("no video either")
    with pytest.raises(HeatpoolError, match="no clip gave features; reasons are in"):
        extract(videos, weights=str(heatmap_network(tmp_path / "pose.onnx")), quiet=True, **OPTIONS)
    with pytest.raises(HeatpoolError, match="nowhere does not exist"):
        extract(tmp_path / "nowhere")


def test_every_option_is_where_help_looks() -> None:
    names = set(inspect.signature(extract).parameters)
    assert {"videos", "out", "backend", "workers", "resume", "steps"} <= names
    assert names == set(ExtractOptions.__dataclass_fields__) - {"_", "dry_run"}
    with pytest.raises(HeatpoolError, match="unknown option backends"):
        extract("videos", backends="tiny")


def test_paths_are_checked_before_anything_heavy_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from heatpool.pipelines.cli import main\n"
        "assert main(sys.argv[1:]) == 1\n"
        "print(*{'torch', 'av', 'cv2', 'dask', 'ultralytics', 'pandas', 'scipy'} & sys.modules.keys())\n"
    )
    for command in (
        ["extract", "--videos", "nowhere"],
        ["manifest", "--videos", "nowhere", "--out", "x.csv"],
        ["convert", "nowhere", "x.zarr", "--precision", "u1"],
        ["verify", "nowhere"],
        ["archive", "verify", "nowhere"],
        ["weights", "verify", "nowhere"],
        ["archive", "export", "nowhere", "x.h5"],
        ["forecast", "--clips", "5", "--like", "nowhere"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stdout) == (0, "\n"), (command, done.stdout, done.stderr)


def test_a_store_of_the_former_rule_of_first_is_not_resumed(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier builds left the other slots empty where somebody is alone, and said nothing of it."""

    def describe_as_before(*args: Any, **options: Any) -> StoreSpec:
        spec = describe_store(*args, **options)
        return replace(spec, config={key: spec.config[key] for key in spec.config if key != "alone"})

    asked = {**OPTIONS, "weights": str(heatmap_network(tmp_path / "pose.onnx")), "quiet": True}
    for rule in ("first", "tracked"):
        out, options = tmp_path / f"{rule}.zarr", {**asked, "person_selection": rule}
        with monkeypatch.context() as before:
            before.setattr(run, "describe_store", describe_as_before)
            extract(videos, out, **options)
        if rule == "tracked":
            assert extract(videos, out, resume=True, **options).counts == {"ok": 2, "failed": 1}
            continue
        with pytest.raises(HeatpoolError, match="config.alone: nothing in the store, 'every slot' given"):
            extract(videos, out, resume=True, **options)
