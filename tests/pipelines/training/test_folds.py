"""Cross-validation of a store without any split."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import heatpool
from heatpool.classify.scores.scores import load_scores
from heatpool.pipelines.cli import main
from heatpool.pipelines.training.trained_run import load_run
from heatpool.pool.derive.remake import relabel_store
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.store.reader import FeatureStore
from tests.pipelines.training.train_cases import CLIPS, make_store, train

FAST = ("--folds", "3", "--model", "linear", "--epochs", "2", "--batch-size", "8", "--quiet")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a split; the last clip has no label, and one class none of the clips."""
    path = make_store(tmp_path_factory.mktemp("store") / "features.zarr")
    opened = FeatureStore.open(path)
    index = opened.clips.index
    label = np.where(np.arange(CLIPS) == CLIPS - 1, -1, 2 * index.label).astype(np.int32)
    relabel_store(opened, replace(index, label=label, class_names=("rise", "unused", "fall"), splits={}))
    return path


@pytest.fixture(scope="module")
def finished(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "cv"
    assert train(store, out, *FAST) == 0
    return out


def test_every_clip_is_tested_once_by_a_run_that_never_saw_its_subject(store: Path, finished: Path) -> None:
    subjects = dict(
        zip(*(FeatureStore.open(store).clips.column(n) for n in ("subject", "camera")), strict=True)
    )
    assert len(subjects) == 8
    with (finished / "folds.csv").open(newline="") as file:
        rows = {row["clip_id"]: row for row in csv.DictReader(file)}
    assert len(rows) == CLIPS
    unlabelled = rows.pop(f"clip {CLIPS - 1}")
    assert {unlabelled[name] for name in ("label", "fold_1", "fold_2", "fold_3")} == {""}
    content = json.loads((finished / "folds.json").read_text())
    tested: list[str] = []
    for number, run in enumerate(content["runs"], start=1):
        parts = {
            split: {row["subject"] for row in rows.values() if row[f"fold_{number}"] == split}
            for split in ("train", "val", "test")
        }
        assert all(parts.values())
        assert parts["test"].isdisjoint(parts["train"] | parts["val"])
        assert parts["train"].isdisjoint(parts["val"])
        assert run["held"] == sorted(parts["test"])
        scores = load_scores(finished / f"fold_{number}" / "scores_test.npz")
        assert {rows[clip_id]["subject"] for clip_id in scores.clip_ids} == parts["test"]
        tested += scores.clip_ids
    assert sorted(tested) == sorted(rows)
    pooled = load_scores(finished / "scores_test.npz")
    assert pooled.clip_ids == tuple(tested)
    assert pooled.class_names == ("rise", "fall")


def test_the_figures_are_those_of_the_runs(finished: Path) -> None:
    content = json.loads((finished / "folds.json").read_text())
    summaries = [json.loads((finished / f"fold_{n}" / "summary.json").read_text()) for n in (1, 2, 3)]
    top1 = [summary["fused"]["test"]["acc/top1"] for summary in summaries]
    over = content["figures"]["fused"]["test"]["acc/top1"]
    assert over["values"] == top1
    assert over["mean"] == pytest.approx(np.mean(top1))
    assert over["std"] == pytest.approx(np.std(top1, ddof=1))
    correct = sum(
        round(share * summary["clips"]["test"]) for share, summary in zip(top1, summaries, strict=True)
    )
    assert content["pooled"]["fused"]["acc/top1"] == pytest.approx(correct / (CLIPS - 1))
    run = load_run(finished)
    assert (run.protocol, run.model, run.class_names) == ("3 folds by subject", "linear", ("rise", "fall"))
    assert run.figures["fused"].clips == CLIPS - 1
    assert "test, 3 folds by subject" in str(run)


def test_the_page_shows_folds_and_what_all_of_them_say(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    content = json.loads((finished / "folds.json").read_text())
    for number in (1, 2, 3):
        assert f'<a href="fold_{number}/report.html">fold_{number}</a>' in page
        assert (finished / f"fold_{number}" / "report.html").is_file()
    assert ", ".join(content["runs"][0]["held"]) in page
    top1 = 100 * content["pooled"]["fused"]["acc/top1"]
    assert f'<p class="figure">{top1:.1f} %</p>' in page
    assert f"of {CLIPS - 1} clips" in page
    assert 'title="rise taken for rise' in page
    for table in ("per_class_test.csv", "folds.csv"):
        assert f'href="{table}"' in page


def test_what_was_interrupted_goes_on(
    store: Path, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from heatpool.pipelines.training import run as training

    out, begun = tmp_path / "cv", training._train_seeds
    trained: list[str] = []

    def stop_in_the_second(options: object, recipe: object, plan: training.RunPlan, **more: object) -> None:
        trained.append(plan.out.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        begun(options, recipe, plan, **more)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_train_seeds", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            heatpool.train(
                store,
                out,
                folds=3,
                model="linear",
                epochs=2,
                batch_size=8,
                quiet=True,
                device="cpu",
                threads=1,
            )
    assert not (out / "folds.json").exists()
    assert train(store, out, *FAST, "--resume") == 0
    one, two = (load_scores(run / "scores_test.npz") for run in (finished, out))
    assert one.clip_ids == two.clip_ids
    np.testing.assert_array_equal(one.scores, two.scores)
    assert (out / "config.yaml").read_text() == (finished / "config.yaml").read_text()


def test_its_config_and_that_of_a_fold_say_what_was_done(finished: Path) -> None:
    whole = yaml.safe_load((finished / "config.yaml").read_text())
    assert (whole["folds"], whole["fold_by"], whole["model"]) == (3, "subject", "linear")
    fold = yaml.safe_load((finished / "fold_2" / "config.yaml").read_text())
    assert (fold["manifest"], fold["protocol"]) == (str(finished / "folds.csv"), "fold_2")


def test_a_folder_of_folds_is_no_single_run(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--run", str(finished)]) == 1
    assert (
        f"holds a run for each fold: name one of them, such as {finished / 'fold_1'}"
        in capsys.readouterr().err
    )
    assert main(["evaluate", "--run", str(finished / "fold_1"), "--device", "cpu", "--quiet"]) == 0


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (
            ("--fold-by", "camera", "--folds", "4"),
            "expected --folds of at most 3, as many as there are cameras",
        ),
        (
            ("--fold-by", "shoe", "--folds", "3"),
            "expected --fold-by of subject, camera, video, clip, got 'shoe'",
        ),
    ],
)
def test_what_cannot_be_divided_is_one_line(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], line: str
) -> None:
    assert train(store, tmp_path / "cv", *options) == 1
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1
    assert not (tmp_path / "cv").exists()


@pytest.mark.parametrize(
    "options", [("--folds", "1"), ("--fold-by", "subject"), ("--folds", "3", "--seeds", "2")]
)
def test_options_that_contradict_are_usage_errors(
    store: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        train(store, tmp_path / "cv", *options)


def test_cross_validations_are_compared_over_all_clips(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--stream", "pooled_joint", "--group-by", "subject", "--n-bootstrap", "100"]
    assert main(["compare", str(finished), str(finished), *more]) == 0
    assert f"{CLIPS - 1} clips" in (said := capsys.readouterr().out)
    assert "8 subjects" in said


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"by": 7}, "expected a text in by, got 7"),
        ({"runs": [None]}, r"expected an object in runs\[0\], got None"),
        (
            {"figures": {}},
            "expected figures of pooled_joint, keypoints_joint, fused of each fold, got others",
        ),
        ({"pooled": {}}, "expected fused in pooled, got none"),
    ],
)
def test_folds_of_other_content_are_one_line(
    finished: Path, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    content = json.loads((finished / "folds.json").read_text())
    (tmp_path / "folds.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(HeatpoolError, match=rf"expected the folds of a run in .*folds\.json: {says}"):
        load_run(tmp_path)
