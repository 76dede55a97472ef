"""`heatpool evaluate` and `heatpool compare` on a finished run."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import ClipScores, load_scores, save_scores
from heatpool.pipelines.cli import main
from tests.pipelines.report.page_reader import Page
from tests.pipelines.training.train_cases import make_store, train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    store = make_store(folder / "features.zarr")
    words = ("--model", "linear", "--streams", "joint", "--quiet")
    assert train(store, folder / "run", *words) == 0
    return folder / "run"


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_evaluate_leaves_every_table(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(run), "--device", "cpu", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    out = run / "evaluate-test"
    for folder in (out, out / "pooled_joint"):
        scores = load_scores(folder / "scores_test.npz")
        right = scores.scores.argmax(1) == scores.labels
        for column in ("subject", "camera"):
            rows = table(folder / f"by_{column}_test.csv")
            assert sum(int(row["clips"]) for row in rows) == len(scores) == 8
            hits = sum(float(row["acc/top1"]) * int(row["clips"]) for row in rows)
            assert hits == pytest.approx(right.sum())
        assert [row["subject"] for row in table(folder / "by_subject_test.csv")] == ["p6", "p7"]
        bins = table(folder / "calibration_test.csv")
        assert sum(int(row["clips"]) for row in bins) == 8
        assert [row["class_name"] for row in table(folder / "per_class_test.csv")] == ["rise", "fall"]
        wrong = sum(int(row["clips"]) for row in table(folder / "confused_test.csv"))
        assert wrong == int((~right).sum())
        assert (folder / "confusion_test.png").read_bytes().startswith(b"\x89PNG")
    figures = json.loads((out / "evaluation.json").read_text())["fused"]["test"]
    assert {"acc/top1", "acc/top5", "acc/mean_class", "calibration/ece", "clips"} == set(figures)
    for words in ("test, 8 clips", "calibration: confidence", "by subject: ", "by camera: ", "95 % interval"):
        assert words in said
    assert "top-5" not in said  # of two classes


def with_class_names(run: Path, place: Path, names: list[str]) -> Path:
    """The run's store with other names of its two classes, rise and fall."""
    shutil.copytree(run.parent / "features.zarr", place)
    for path in (place / "label" / "zarr.json", place / "zarr.json"):  # the second has a copy of the first
        path.write_text(re.sub(r'(?<="class_names": )\[[^]]*\]', json.dumps(names), path.read_text()))
    return place


def test_classes_are_matched_by_name(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    top1 = json.loads((run / "summary.json").read_text())["fused"]["test"]["acc/top1"]
    words = ("--device", "cpu", "--threads", "1", "--out", str(tmp_path / "out"))
    swapped = with_class_names(run, tmp_path / "swapped.zarr", ["fall", "rise"])
    assert main(["evaluate", str(run), str(swapped), *words]) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert found["fused"]["test"]["acc/top1"] == pytest.approx(1 - top1)  # every clip has the other's name
    scores = load_scores(tmp_path / "out" / "scores_test.npz")
    assert scores.class_names == ("rise", "fall")
    assert (scores.labels == 1 - load_scores(run / "scores_test.npz").labels).all()
    assert "classes that occur" not in capsys.readouterr().out


def test_a_store_with_some_of_the_classes_and_others(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("--device", "cpu", "--threads", "1", "--out", str(tmp_path / "out"))
    other = with_class_names(run, tmp_path / "other.zarr", ["wobble", "fall"])
    assert main(["evaluate", str(run), str(other), *words]) == 0
    said = capsys.readouterr().out
    assert "left out 4 clips of classes that the run does not know: wobble (4)" in said
    assert "figures are over the classes that occur, 1 of the run's 2: fall;" in said
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (found["classes"], found["left_out"]) == (["fall"], {"wobble": 4})
    scores, own = load_scores(tmp_path / "out" / "scores_test.npz"), load_scores(run / "scores_test.npz")
    assert set(scores.labels) == {1}
    falls = own.take(np.flatnonzero(own.labels == 1))
    assert scores.clip_ids == falls.clip_ids
    np.testing.assert_allclose(scores.scores, falls.scores, atol=1e-5)
    assert found["fused"]["test"]["acc/mean_class"] == found["fused"]["test"]["acc/top1"]


def test_a_manifest_brings_other_labels_and_splits(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test clips of the training as `val` of a protocol of its own, one of them with the other label."""
    own = load_scores(run / "scores_test.npz")
    names = [own.class_names[label] for label in own.labels]
    names[0] = own.class_names[1 - own.labels[0]]
    lines = [f"{clip_id},x.mp4,{name},val" for clip_id, name in zip(own.clip_ids, names, strict=True)]
    manifest = tmp_path / "new.csv"
    manifest.write_text("\n".join(["clip_id,path,label,mine", *lines]))
    words = ["evaluate", str(run), "--manifest", str(manifest), "--device", "cpu", "--threads", "1"]
    assert main([*words, "--split", "val", "--out", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert (found["protocol"], found["clips"]) == ("mine", {"val": 8})
    scores = load_scores(tmp_path / "out" / "scores_val.npz")
    assert scores.clip_ids == own.clip_ids
    assert (scores.labels != own.labels).tolist() == [True] + [False] * 7
    np.testing.assert_allclose(scores.scores, own.scores, atol=1e-5)
    capsys.readouterr()
    assert main([*words, "--protocol", "xsub"]) == 1
    assert "expected --protocol to be one of mine, got 'xsub'" in capsys.readouterr().err


def test_a_store_without_splits_is_scored_whole_but_for_clips_without_a_label(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = make_store(tmp_path / "other.zarr", protocols=())
    manifest = tmp_path / "new.csv"
    names = ["rise", "fall"] * 17
    lines = [f"clip {row},{row}.mp4,{name}" for row, name in enumerate(names)]
    manifest.write_text("\n".join(["clip_id,path,class_name", *lines]))
    words = ["evaluate", str(run), str(other), "--manifest", str(manifest), "--out", str(tmp_path / "out")]
    assert main([*words, "--device", "cpu", "--threads", "1"]) == 0
    said = capsys.readouterr().out
    assert "the store has no splits: all 34 clips of known classes are scored" in said
    assert "left out 2 clips without a label" in said
    assert len(load_scores(tmp_path / "out" / "scores_test.npz")) == 34
    assert "fused" not in said  # one stream needs no second line


def with_mistakes(run: Path, place: Path, wrong: tuple[int, ...]) -> Path:
    """The run's fused test scores, one class up on the clips at `wrong`, the right one elsewhere."""
    scores = load_scores(run / "scores_test.npz")
    picked = scores.labels.copy()
    picked[list(wrong)] = 1 - picked[list(wrong)]
    made = ClipScores(scores.clip_ids, np.eye(2, dtype=np.float32)[picked], scores.labels, scores.class_names)
    save_scores(place, made)
    return place


def test_compare_by_hand(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = with_mistakes(run, tmp_path / "a.npz", (0, 1, 2))
    second = with_mistakes(run, tmp_path / "b.npz", (2, 3))
    assert (
        main(["compare", str(first), str(second), "--n-bootstrap", "500", "--out", str(tmp_path / "c.json")])
        == 0
    )
    out = capsys.readouterr().out
    assert "8 clips" in out
    assert "62.50 % ->  75.00 %   +12.50 points" in out
    assert "both correct 4, only first 1, only second 2, neither 1; McNemar exact p = 1" in out
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["differences"]["acc/top1"]["difference"] == pytest.approx(0.125)
    assert found["paired"] == {
        "both_correct": 4, "only_first_correct": 1, "only_second_correct": 2, "both_wrong": 1,
        "mcnemar_p": 1.0,
    }  # fmt: skip
    low, high = found["differences"]["acc/top1"]["interval"]
    assert low < 0 < 0.125 < high


def test_several_runs_side_by_side(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = with_mistakes(run, tmp_path / "a.npz", (0, 1, 2))
    second = with_mistakes(run, tmp_path / "b.npz", (2, 3))
    page_file, figures = tmp_path / "pages" / "compared.html", tmp_path / "c.json"
    words = ("--n-bootstrap", "100", "--report", str(page_file), "--out", str(figures))
    assert main(["compare", str(first), str(second), str(run), *words]) == 0
    out = capsys.readouterr().out
    assert f"{second} minus {first}" in out
    assert f"{run} minus {first}" in out
    assert f"report: {page_file}" in out
    found = json.loads(figures.read_text())
    assert found["second"] == str(second)
    assert [each["second"] for each in found["others"]] == [str(run)]
    page = Page(page_file)
    assert page.ids == {"figures", "differences", "classes"}
    assert page.wide_tables == []
    assert "3 runs on 8 clips of test" in page.text
    assert "8 clips are few: intervals from so few are too narrow" in page.text
    assert "Top-5" not in page.text  # of two classes
    # 5 of 8 and 6 of 8, with Wilson's intervals; one clip only the first has, two only the second.
    assert f"{first} 62.5 % 30.6 to 86.3 % 62.5 %" in " ".join(page.rows)
    assert f"{second} 75.0 % 40.9 to 92.9 % 75.0 %" in " ".join(page.rows)
    difference = next(row for row in page.rows if row.startswith(f"{second} +12.5"))
    assert difference.endswith(" 2 1 1")
    assert f"{run} features · xsub · linear" in " ".join(page.rows)
    (report,) = [link for link in page.links if not link.startswith("#")]
    assert (page_file.parent / report).resolve() == (run / "report.html").resolve()
    labels = load_scores(first).labels
    for label, name in enumerate(("rise", "fall")):
        mine = labels == label
        shares = [np.mean(load_scores(each).scores.argmax(1)[mine] == label) for each in (first, second)]
        row = next(row for row in page.rows if row.startswith(f"{name} {mine.sum()} "))
        assert row.split(" ", 2)[2].startswith(" ".join(f"{100 * share:.0f} %" for share in shares))


def test_compare_by_subject_takes_the_column_from_the_runs_store(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = with_mistakes(run, tmp_path / "b.npz", (0,))
    assert main(["compare", str(run), str(second), "--group-by", "subject", "--n-bootstrap", "100"]) == 0
    out = capsys.readouterr().out
    assert "100 draws of 2 subjects" in out
    assert "2 subjects are few" in out
    assert main(["compare", str(run), str(second), "--group-by", "weather"]) == 1
    assert "(subject, camera), got 'weather'" in capsys.readouterr().err
    assert main(["compare", str(second), str(run), "--group-by", "subject"]) == 1
    assert "expected --features" in capsys.readouterr().err


def test_what_cannot_be_compared_is_one_line(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, message in (
        ((run, tmp_path), f"expected a run folder or another with scores_test.npz, {tmp_path} has none"),
        ((run, tmp_path / "no"), "expected a run folder or an .npz"),
        ((run, run, "--stream", "pooled_bone"), "expected --stream of pooled_joint in"),
        ((run, run, "--split", "train"), f"no train scores yet: heatpool evaluate {run} --split train --out"),
    ):
        assert main(["compare", *map(str, words)]) == 1
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert message in lines[0]
