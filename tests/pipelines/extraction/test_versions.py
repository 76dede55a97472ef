"""Versions of packages: recorded by `extract`, and compared where features of two makers meet."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import av
import cv2
import onnxruntime
import pytest

from heatpool.extract.datasets.manifest import read_manifest
from heatpool.pipelines.cli import main
from heatpool.pipelines.extraction import describe, worker
from heatpool.pipelines.extraction.plan import ExtractPlan
from heatpool.pipelines.extraction.run import carry_out, prepare
from heatpool.pipelines.extraction.versions import VersionWatch, versions_at_work
from heatpool.pipelines.options import ExtractOptions
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.versions import Versions
from tests.conftest import VideoMaker, gray_frames
from tests.fixtures.onnx_networks import heatmap_network
from tests.pipelines.extraction.test_run import OPTIONS

Options = Callable[..., ExtractOptions]


@pytest.fixture
def options(make_video: VideoMaker, tmp_path: Path) -> Options:
    """Options for the first clips of three, one a shard."""
    for name in "abc":
        make_video(gray_frames(6), f"videos/{name}.mp4")
    weights = str(heatmap_network(tmp_path / "pose.onnx"))

    def given(clips: str = "abc", **more: object) -> ExtractOptions:
        rows = [f"videos/{name}.mp4,{name},{name}" for name in clips]
        (tmp_path / "clips.csv").write_text("\n".join(["path,clip_id,class_name", *rows]) + "\n")
        fixed = OPTIONS | {"backend": "onnx", "weights": weights, "quiet": True}
        return ExtractOptions(tmp_path / "clips.csv", tmp_path / "x.zarr", **fixed | more)  # type: ignore[arg-type]

    return given


def by_opencv_4(options: ExtractOptions) -> Versions:
    return {**versions_at_work(options), "opencv": ("4.14.0",)}


def interrupted(options: ExtractOptions) -> Path:
    """A store of which the last shard is pending; OpenCV 4 made the others."""
    with patch.object(describe, "versions_at_work", by_opencv_4):
        store = carry_out(prepare(options)).store
    os.remove(store / "journal/0000002.json")
    return store


def words(options: ExtractOptions, *more: str) -> list[str]:
    fixed = {name: value for name, value in OPTIONS.items()} | {"backend": "onnx", "weights": options.weights}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in fixed.items()]
    return ["extract", str(options.videos), str(options.out), "--quiet", *flags, *more]


def test_a_store_records_what_made_it(options: Options, capsys: pytest.CaptureFixture[str]) -> None:
    store = carry_out(prepare(options("a"))).open()
    versions = store.versions
    assert versions["av"] == (av.__version__,)
    assert versions["libavcodec"] == (".".join(map(str, av.library_versions["libavcodec"])),)
    assert versions["opencv"] == (cv2.__version__,)
    assert versions["onnxruntime"] == (onnxruntime.__version__,)
    assert {"heatpool", "libswscale", "numpy", "pillow", "torch"} < set(versions)
    assert not {"ultralytics", "transformers"} & set(versions), "packages that had no part"
    assert main(["info", str(store.path)]) == 0
    assert f"opencv {cv2.__version__}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "used"),
    [
        ({"backend": "yolo-pose", "weights": "yolo11n-pose.pt", "detector": "none"}, {"ultralytics"}),
        ({"backend": "tiny", "detector": "tiny"}, {"ultralytics"}),
        ({"backend": "tiny", "detector": "person.onnx"}, {"onnxruntime"}),
        ({"backend": "tiny", "detector": "full-frame"}, set()),
        ({"backend": "hrnet-simcc", "weights": "w48.pth", "detector": "yolo26s.pt"}, {"ultralytics"}),
        ({"backend": "vitpose", "detector": "full-frame"}, {"transformers"}),
        ({"backend": "tiny", "detector": "boxes-file", "rgb": "clip"}, {"transformers"}),
    ],
)
def test_packages_are_recorded_where_they_have_a_part(changes: dict[str, str], used: set[str]) -> None:
    versions = versions_at_work(ExtractOptions(**changes))  # type: ignore[arg-type]
    assert set(versions) & {"ultralytics", "onnxruntime", "transformers"} == used


def test_resume_refuses_to_mix_versions_that_move_features(
    options: Options, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    store = interrupted(options())
    resume = words(options(), "--resume")
    assert main(resume) == 1
    said = capsys.readouterr().err
    assert f"opencv 4.14.0 ({store}), {cv2.__version__} (now)" in said
    assert FeatureStore.open(store).versions["opencv"] == ("4.14.0",)
    assert main([*resume, "--mixed-versions"]) == 0
    assert FeatureStore.open(store).versions["opencv"] == ("4.14.0", cv2.__version__)
    assert main(["info", str(store)]) == 0
    assert f"opencv 4.14.0 and {cv2.__version__}" in capsys.readouterr().out
    assert main(resume) == 0  # nothing is left to do, so nothing is mixed


def test_append_refuses_to_mix_versions_that_move_features(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    with patch.object(describe, "versions_at_work", by_opencv_4):
        store = carry_out(prepare(options("a"))).store
    append = words(options("abc"), "--append")
    assert main(append) == 1
    assert "opencv 4.14.0" in capsys.readouterr().err
    assert len(FeatureStore.open(store)) == 1
    assert main([*append, "--mixed-versions"]) == 0
    grown = FeatureStore.open(store)
    assert (len(grown), grown.versions["opencv"]) == (3, ("4.14.0", cv2.__version__))


def planned(options: ExtractOptions) -> ExtractPlan:
    with patch.object(describe, "versions_at_work", by_opencv_4):
        return prepare(options)


def test_a_worker_of_other_versions_begins_nothing(options: Options, tmp_path: Path) -> None:
    plan = planned(options("ab"))
    manifest = read_manifest(tmp_path / "clips.csv")
    with pytest.raises(HeatpoolError, match=r"opencv 4\.14\.0 \(the run\), .* \(worker on "):
        worker.build_in_worker(plan.work.options, manifest, plan.networks.versions, 1, 0)


def test_a_shard_of_another_worker_is_noticed_and_on_record(
    options: Options, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    plan = planned(options("abc", mixed_versions=True))
    store = carry_out(plan).store
    manifest = read_manifest(tmp_path / "clips.csv")
    networks = worker.build_in_worker(plan.work.options, manifest, plan.networks.versions, 1, 0)
    caplog.clear()
    watch = VersionWatch(plan.networks.versions, backbone="onnx")
    for number in (0, 1):
        watch.see(plan.work.shard(number).do(networks, on_clip=lambda result: None))
    watch.see(
        plan.work.shard(2).do(replace(networks, versions=plan.networks.versions), on_clip=lambda result: None)
    )
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert f"opencv 4.14.0 (here), {cv2.__version__} (worker" in record.getMessage()
    assert FeatureStore.open(store).versions["opencv"] == ("4.14.0", cv2.__version__)
