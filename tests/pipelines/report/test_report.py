"""Reports of unusual runs: pictures or val missing, damaged, of an old build; and the commands they name."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tarfile
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from heatpool.classify.scores.scores import save_scores
from heatpool.classify.training.recipe import Recipe
from heatpool.pipelines.cli import read_command
from heatpool.pipelines.drawing.video_writer import write_png
from heatpool.pipelines.extraction.run_file import write_run_file
from heatpool.pipelines.options import ExtractOptions, TrainOptions
from heatpool.pipelines.report import write_report
from heatpool.pipelines.report.commands import command_lines
from heatpool.pipelines.report.run_files import read_run_files
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.paths import ROOT
from tests.pipelines.report import report_cases
from tests.pipelines.report.page_reader import SECTIONS, Page
from tests.pipelines.report.report_cases import SpotBackbone, make_run, make_scores, make_store, make_videos


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    return make_videos(tmp_path)


def test_missing_pictures_are_said(tmp_path: Path, store: FeatureStore, videos: Path) -> None:
    run = make_run(tmp_path / "run")
    without = Page(write_report(run, store, videos_root=None, load_network=SpotBackbone))
    assert not without.images
    assert without.text.count("No frames: the folder of the videos was not given;") == 1  # not once a clip
    (videos / "clip5.mp4").unlink()
    (videos / "clip6.mp4").write_text("no video")
    some = Page(write_report(run, store, videos_root=videos))
    assert len(some.images) == 2 * 6
    assert "clip5.mp4 does not exist" in some.text
    assert "cannot open clip6.mp4" in some.text
    assert some.text.count("No heatmaps: no pose network was given.") == 2
    none = Page(
        write_report(run, store, videos_root=videos, load_network=lambda: SpotBackbone(heatmaps=False))
    )
    assert none.text.count("No heatmaps: the network spot gives none.") == 2


def test_other_network_is_said(tmp_path: Path, store: FeatureStore, videos: Path) -> None:
    other = SpotBackbone()
    other.weights_sha256 = "cd" * 32
    text = Page(
        write_report(make_run(tmp_path / "run"), store, videos_root=videos, load_network=lambda: other)
    ).text
    assert "They come from another network (spot, weights cdcdcdcdcdcd) than the features." in text


def test_contact_sheets_are_shown_with_licence_and_origin(tmp_path: Path, store: FeatureStore) -> None:
    sheet, caption = tmp_path / "sheet.png", "Clip of somebody, BSD-3-Clause"
    write_png(sheet, np.full((60, 3200, 3), 90, np.uint8))
    run = make_run(tmp_path / "run")
    page = Page(write_report(run, store, videos_root=None, sheets=[(sheet, caption)]))
    assert "Contact sheets" in page.text
    assert caption in page.text
    assert [image["width"] for image in page.images if caption in image["alt"]] == ["1600"]
    assert "Contact sheets" not in Page(write_report(run, store, videos_root=None)).text
    with pytest.raises(HeatpoolError, match=r"expected a picture, got .*none\.png"):
        write_report(run, store, videos_root=None, sheets=[(tmp_path / "none.png", caption)])


def test_one_stream_without_val(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run", streams=["keypoints_joint"], val=False)
    page = Page(write_report(run, store, videos_root=None, out=tmp_path / "other.html"))
    assert "run/keypoints_joint/metrics.csv" in page.links
    assert "(keypoints_joint): 2 of 4 clips recognised" in page.text
    assert "The run has no scores of a val split" in page.text
    assert "Where the streams agree" not in page.text
    assert not re.search(r"\bfus", page.text)
    assert page.ids == SECTIONS


def test_unknown_subjects_are_not_called_unseen(tmp_path: Path) -> None:
    store = make_store(tmp_path / "plain.zarr", known_subjects=False)
    page = Page(write_report(make_run(tmp_path / "run"), store, videos_root=None))
    assert "Top-1 accuracy on the test split (fused)" in page.text
    assert "the manifest names neither subjects nor cameras" in page.text


def test_summary_that_contradicts_the_scores_is_said(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    assert "summary.json says" not in Page(write_report(run, store, videos_root=None)).text
    summary = json.loads((run / "summary.json").read_text())
    summary["streams"]["pooled_joint"]["test"]["acc/top1"] = 0.99
    (run / "summary.json").write_text(json.dumps(summary))
    text = Page(write_report(run, store, videos_root=None)).text
    assert "summary.json says top-1 99.00% for pooled_joint, its score file gives 75.00%" in text


def test_run_without_summary_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    with pytest.raises(HeatpoolError, match=r"summary\.json is missing; train it first"):
        write_report(tmp_path, store, videos_root=None)


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"protocol": "xsub"}', '{"protocol": "xsub", "streams": {}}']
)
def test_damaged_summary_is_refused(tmp_path: Path, store: FeatureStore, content: str) -> None:
    run = make_run(tmp_path / "run")
    (run / "summary.json").write_text(content)
    with pytest.raises(HeatpoolError, match=r"summary\.json"):
        write_report(run, store, videos_root=None)


def test_store_of_another_run_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    scores = make_scores((4, 5, 6, 7), (0, 1, 0, 0))
    save_scores(run / "scores_test.npz", replace(scores, clip_ids=("clip4", "clip5", "clip6", "elsewhere")))
    with pytest.raises(HeatpoolError, match="score different clips"):
        write_report(run, store, videos_root=None)
    single = make_run(tmp_path / "single", streams=["pooled_joint"])
    save_scores(single / "pooled_joint" / "scores_test.npz", replace(scores, labels=1 - scores.labels))
    with pytest.raises(HeatpoolError, match="has other labels"):
        write_report(single, store, videos_root=None)
    gone = replace(scores, clip_ids=("clip4", "clip5", "clip6", "elsewhere"))
    save_scores(single / "pooled_joint" / "scores_test.npz", gone)
    with pytest.raises(HeatpoolError, match=r"lacks 1 scored clips, for example 'elsewhere'"):
        write_report(single, store, videos_root=None)


def test_commands_parse_to_what_was_run(tmp_path: Path) -> None:
    store = make_store(tmp_path / "my features.zarr")
    run = make_run(tmp_path / "run", streams=["keypoints_joint"])
    assert command_lines(read_run_files(run), store) == []
    extraction = ExtractOptions(
        videos=tmp_path / "clips.csv", out=store.path, backend="tiny", detector="full-frame", steps=8,
        quiet=True, source="drawn 'here'",
    )  # fmt: skip
    write_run_file(store.path, extraction, videos_root=tmp_path)
    recipe = asdict(replace(Recipe(), epochs=3, learning_rate=0.02, seed=7))
    (run / "config.yaml").write_text(
        yaml.safe_dump({"features": str(store.path), "recipe": json.loads(json.dumps(recipe))})
    )
    extract, train = (shlex.split(line) for line in command_lines(read_run_files(run), store))
    assert read_command(extract[1:]) == replace(extraction, quiet=False)
    assert read_command(train[1:]) == TrainOptions(
        features=str(store.path), protocol="xsub", streams=("keypoints_joint",), out=run, model="ctrgcn",
        recipe="paper",        epochs=3, batch_size=64, learning_rate=0.02, seed=7,
    )  # fmt: skip
    page = Page(write_report(run, store, videos_root=None))
    assert "heatpool train --features" in page.text
    again = Page(write_report(run, store, videos_root=None, commands=["one two"]))
    assert "one two" in again.text


def test_a_run_that_keeps_its_options_runs_from_them(tmp_path: Path) -> None:
    store = make_store(tmp_path / "features.zarr")
    run = make_run(tmp_path / "my run", streams=["keypoints_joint"])
    options = TrainOptions(str(store.path), run, protocol="xsub", epochs=3, milestones=(1, 2))
    chosen = {name: value for name, value in asdict(options).items() if value and name != "out"}
    (run / "config.yaml").write_text(yaml.safe_dump(json.loads(json.dumps(chosen))))
    (train,) = command_lines(read_run_files(run), store)
    assert read_command(shlex.split(train)[1:]) == options


def test_unwritable_page_is_refused(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HeatpoolError, match="where.html: cannot be written"):
        write_report(run, store, videos_root=None, out=tmp_path / "file" / "where.html")


def test_without_pictures_nothing_of_stage_one_is_loaded(tmp_path: Path, store: FeatureStore) -> None:
    run = make_run(tmp_path / "run")
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from heatpool.pipelines.report import report_run\n"
        "from heatpool.pool.store.reader import FeatureStore\n"
        "report_run(Path(sys.argv[1]), FeatureStore.open(sys.argv[2]))\n"
        "heavy = {'av', 'cv2', 'ultralytics', 'onnx', 'transformers', 'torch', 'matplotlib', 'scipy'}\n"
        "stage_one = [name for name in sys.modules if name.startswith('heatpool.extract')]\n"
        "print(*sorted(heavy & set(sys.modules)), *stage_one)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program, str(run), str(store.path)], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""
    assert "No frames: the folder of the videos was not given;" in Page(run / "report.html").text


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ROOT / "tests" / "fixtures" / "old_build.tar.gz") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.parametrize("name", ["run", "ctrgcn", "seeds", "hpnet"])
def test_runs_of_the_old_build_are_reported(name: str, old: Path) -> None:
    page = Page(write_report(old / name, FeatureStore.open(old / "features.zarr"), videos_root=None))
    assert page.ids == SECTIONS
    assert "of 8 clips" in page.text
    command = next(line for line in page.text.split("heatpool ") if line.startswith("train"))
    options = read_command(shlex.split(command.partition(" Seed ")[0]))
    assert isinstance(options, TrainOptions)
    assert options.protocol == "xsub"
    assert options.model == {"run": "linear", "seeds": "linear"}.get(name, name)
    assert options.seeds == (2 if name == "seeds" else 1)


def test_names_of_strangers_are_text_and_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes = ("</td><script>alert(1)</script>", '=1+1" onload="x', "L" * 500)
    ids = (*(f"{'I' * 500}{row}'><img src=x>" for row in range(8)), "</table><svg onload=x>")
    monkeypatch.setattr(report_cases, "CLASSES", classes)
    monkeypatch.setattr(report_cases, "CLIP_IDS", ids)
    store = make_store(tmp_path / "features.zarr")
    page = Page(write_report(make_run(tmp_path / "run"), store, videos_root=None))  # its tags nest
    assert not {"script", "img"} & set(page.tags)
    assert not re.search(r"<[^>]* on\w+=", re.sub('"[^"]*"', "", page.source))
    assert "</td><script>alert(1)</script>" in page.text
    assert "I" * 79 + "…" in page.text
    assert "I" * 80 not in " ".join(page.rows)
    assert "L" * 80 not in page.text  # one such name would make the page as wide as itself
