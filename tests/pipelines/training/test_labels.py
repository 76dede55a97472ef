"""Labels and splits from a manifest, for a run and for good, on the small store of `train_cases`."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from heatpool.pipelines.runs.labels import read_run_labels
from heatpool.pool.archive.pack import pack
from heatpool.pool.store.reader import FeatureStore
from heatpool.pool.store.verify import verify_store
from tests.pipelines.training.train_cases import CLIPS, make_store, rising, train

FAST = ("--model", "linear", "--input", "pooled", "--epochs", "6", "--batch-size", "8", "--quiet")
HEADER = "path,class_name,subject,mine"
LEFT_OUT = 4


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("store") / "features.zarr")


def rows(name: Callable[[int], str] = lambda row: "up" if rising(row) else "down") -> list[str]:
    """Other names in another order, found by path; the first clips are left out, one clip is new."""
    part = ("test", "train", "train", "val")
    known = [f"{row}.mp4,{name(row)},q{row % 6},{part[row // 2 % 4]}" for row in range(LEFT_OUT, CLIPS)]
    return [*known, "new.mp4,up,q0,train"]


def write(path: Path, lines: list[str], header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def relabelled_run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("relabelled")
    manifest = write(folder / "new.csv", rows())
    assert train(store, folder / "run", "--manifest", str(manifest), *FAST) == 0
    return folder / "run"


def test_without_a_val_split_some_of_train_is_val_for_good(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As most published splits are; two clips are unlabelled."""
    lines = [
        f"{row}.mp4,{'' if row < 2 else 'up' if rising(row) else 'down'},,{'test' if row >= 24 else 'train'}"
        for row in range(CLIPS)
    ]
    manifest, run = write(tmp_path / "new.csv", lines), tmp_path / "run"
    assert train(store, run, "--manifest", str(manifest), *FAST) == 0
    said = capsys.readouterr().err
    assert "mine: 2 of 36 clips have no label: left out" in said
    assert "mine has no val clip: 2 of 22 train clips, all of subject p7, are val in this run" in said
    for file in ("log.txt", "report.html"):
        assert "mine has no val clip: 2 of 22" in (run / file).read_text()
    val = load_scores(run / "scores_val.npz")
    assert len(val) == 2
    assert (
        main(["evaluate", str(run), "--split", "val", "--threads", "1", "--out", str(tmp_path / "val")]) == 0
    )
    assert load_scores(tmp_path / "val" / "scores_val.npz").clip_ids == val.clip_ids
    assert train(store, run, "--manifest", str(manifest), *FAST, "--resume") == 0


def test_without_a_test_split_val_is_tested_on_and_the_report_says_so(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    up, down = 'up, "high"', "<b>caf\u00e9</b>"  # names come back as they went
    quoted = {True: '"up, ""high"""', False: down}
    lines = [f"{row}.mp4,{quoted[rising(row)]},,{'val' if row >= 24 else 'train'}" for row in range(CLIPS)]
    manifest, run = write(tmp_path / "new.csv", lines), tmp_path / "run"
    both = ("--streams", "pooled_joint,keypoints_joint", *FAST[:2], *FAST[4:])
    assert train(store, run, "--manifest", str(manifest), *both) == 0
    said = capsys.readouterr().err
    note = "mine has no test clip: its 12 val clips are tested on in this run, and "
    few = "fusion weights are equal: 2 val clips are too few to fit any on (8)"
    report = (run / "report.html").read_text()
    for text in (said, (run / "log.txt").read_text(), report):
        assert note in text
        assert few in text
    scores = load_scores(run / "scores_test.npz")
    assert (len(scores), scores.class_names) == (12, (down, up))
    with (run / "confusion_test.csv").open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file))[1:] == [down, up]
    assert down not in report
    assert "&lt;b&gt;caf\u00e9&lt;/b&gt;" in report
    fusion = json.loads((run / "fusion.json").read_text())
    assert fusion == {"weights": {"pooled_joint": 0.5, "keypoints_joint": 0.5}, "fitted_on": ""}


def test_a_run_has_the_labels_and_splits_of_its_manifest(
    store: Path, relabelled_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = FeatureStore.open(store).clips
    summary = json.loads((relabelled_run / "summary.json").read_text())
    assert summary["class_names"] == ["down", "up"]
    assert summary["protocol"] == "mine"
    scores = load_scores(relabelled_run / "scores_test.npz")
    tested = [row for row in range(LEFT_OUT, CLIPS) if row // 2 % 4 == 0]
    assert scores.clip_ids == tuple(f"clip {row}" for row in tested)
    assert scores.labels.tolist() == [int(rising(row)) for row in tested]
    assert (relabelled_run / "by_subject_test.csv").read_text().splitlines()[1].startswith("q0,")
    assert "subject q0" in (relabelled_run / "report.html").read_text()
    assert before.class_names == ("rise", "fall")  # the store is as it was
    kept = read_run_labels(relabelled_run)
    assert kept is not None
    assert kept.label.tolist()[: LEFT_OUT + 2] == [-1] * LEFT_OUT + [1, 0]


def test_what_does_not_join_is_counted(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = write(tmp_path / "new.csv", rows())
    assert main(["relabel", str(store), str(manifest), "--out", str(tmp_path / "x.zarr")]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert f"{LEFT_OUT} of {CLIPS} clips of {store} are not in {manifest}: left out" in lines[0]
    assert f"1 of {CLIPS - LEFT_OUT + 1} clips of {manifest} are not in {store}: without features" in lines[1]
    assert f"{CLIPS - LEFT_OUT} of {CLIPS} clips labelled, 2 classes, splits: mine" in lines[2]


def test_classes_that_lose_their_names_are_said(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "numbers.csv"
    manifest.write_text("clip_id,path,label\n" + "".join(f"clip {row},x.mp4,3\n" for row in range(CLIPS)))
    assert main(["relabel", str(store), str(manifest), "--out", str(tmp_path / "x.zarr")]) == 0
    line = capsys.readouterr().err.splitlines()[0]
    assert "names none: they are class 3, … now, and no more those of" in line
    assert "(rise, fall)" in line


def test_classes_that_keep_their_names_keep_their_order(store: Path, tmp_path: Path) -> None:
    names = ("fall", "jump", "rise")
    manifest = write(tmp_path / "new.csv", rows(lambda row: names[row % 3]))
    assert main(["relabel", str(store), str(manifest), "--out", str(tmp_path / "x.zarr"), "--quiet"]) == 0
    assert FeatureStore.open(tmp_path / "x.zarr").clips.class_names == (
        "rise", "fall", "jump", "up",
    )  # fmt: skip


def test_evaluating_and_resuming_take_the_labels_of_the_run(
    store: Path, relabelled_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, manifest = tmp_path / "run", relabelled_run.parent / "new.csv"
    shutil.copytree(relabelled_run, run)
    assert main(["evaluate", "--run", str(run), "--split", "val", "--device", "cpu"]) == 0
    again = json.loads((run / "evaluate-val" / "evaluation.json").read_text())
    summary = json.loads((run / "summary.json").read_text())
    assert again["fused"]["val"] == summary["fused"]["val"]
    assert train(store, run, "--manifest", str(manifest), *FAST, "--resume") == 0
    changed = write(tmp_path / "new.csv", rows(lambda row: "up" if row % 3 else "down"))
    config = (run / "config.yaml").read_text()
    (run / "config.yaml").write_text(config.replace(str(manifest), str(changed)))
    capsys.readouterr()
    assert train(store, run, "--manifest", str(changed), *FAST, "--resume") == 1
    assert "was begun with other labels, splits or clips" in capsys.readouterr().err


def test_its_config_trains_it_again_and_a_relabelled_store_gives_the_same(
    store: Path, relabelled_run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    features = other / "pooled" / "c/0/0/0/0/0"
    inode = features.stat().st_ino
    assert main(["relabel", str(other), str(relabelled_run.parent / "new.csv"), "--quiet"]) == 0
    assert features.stat().st_ino == inode
    assert not verify_store(other).problems
    assert train(other, tmp_path / "b", *FAST) == 0
    options = ["--out", str(tmp_path / "a"), "--device", "cpu", "--threads", "1", "--quiet"]
    assert main(["train", "--config", str(relabelled_run / "config.yaml"), *options]) == 0
    runs = [load_scores(run / "scores_test.npz") for run in (relabelled_run, tmp_path / "a", tmp_path / "b")]
    for scores in runs[1:]:
        assert (scores.clip_ids, scores.class_names) == (runs[0].clip_ids, runs[0].class_names)
        np.testing.assert_array_equal(scores.scores, runs[0].scores)


def test_several_seeds_keep_the_labels_each(store: Path, relabelled_run: Path, tmp_path: Path) -> None:
    manifest = str(relabelled_run.parent / "new.csv")
    assert train(store, tmp_path / "run", "--manifest", manifest, "--seeds", "2", *FAST) == 0
    assert main(["evaluate", "--run", str(tmp_path / "run" / "seed_1"), "--device", "cpu", "--quiet"]) == 0
    evaluated = tmp_path / "run" / "seed_1" / "evaluate-test" / "scores_test.npz"
    assert load_scores(evaluated).class_names == ("down", "up")


def test_what_does_not_fit_is_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    foreign = write(tmp_path / "foreign.csv", ["x.mp4,up,q,train"])
    assert train(store, tmp_path / "run", "--manifest", str(foreign)) == 1
    assert main(["relabel", str(store), str(foreign)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert "expected a clip_id or path as it has them, such as 'clip 0' or '0.mp4', got 'x' and" in line
    pack(FeatureStore.open(store), tmp_path / "x.hpz")
    assert main(["relabel", str(tmp_path / "x.hpz"), str(write(tmp_path / "new.csv", rows()))]) == 1
    assert "unpack it first: heatpool archive unpack" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
