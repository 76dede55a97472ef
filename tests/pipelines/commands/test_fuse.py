"""`heatpool fuse` on a small copy of the published layouts, and on the published files where they are."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.scores import ClipScores, load_scores, save_scores
from heatpool.pipelines.cli import main
from tests.fixtures.score_files import CLASSES, clip_names, write_parts, write_pickle
from tests.paths import SHARED
from tests.pipelines.program import said

LABELS = np.random.default_rng(5).integers(0, 19, 60)
NAMES = clip_names(LABELS.tolist())


def softmax(values: np.ndarray) -> np.ndarray:
    shares = np.exp(values - values.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def noisy(seed: int, *, strength: float) -> np.ndarray:
    """Logits (60, 19) that lean towards the label."""
    noise = np.random.default_rng(seed).standard_normal((60, 19))
    return (noise + strength * np.eye(19)[LABELS]).astype(np.float32)


MAIN, SIDE = softmax(noisy(0, strength=3)), noisy(1, strength=2)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four ranks' probabilities of one network and the pickled logits of another, in another order."""
    folder = tmp_path_factory.mktemp("published")
    write_parts(folder, NAMES, MAIN)
    write_pickle(folder / "J.pkl", dict(zip(NAMES[::-1], SIDE[::-1], strict=True)))
    return folder


def fuse(*words: object) -> int:
    return main(["fuse", *map(str, words)])


def figures(out: str) -> dict[str, list[str]]:
    """Cells of the printed table by source."""
    return {line.split()[0]: line.split() for line in out.splitlines()[1:]}


def right_of(scores: np.ndarray) -> int:
    return int((scores.argmax(1) == LABELS).sum())


def mean_class(scores: np.ndarray) -> float:
    hit = scores.argmax(1) == LABELS
    return float(np.mean([hit[k == LABELS].mean() for k in np.unique(LABELS)]))


def test_published_files_are_added_as_they_are(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sources = (f"hpnet={published}/*_best_score.npy", f"J={published / 'J.pkl'}")
    assert fuse(*sources, "--weights", "4,0.1", "--add", "scores", "--labels", "smarthome") == 0
    rows = figures(capsys.readouterr().out)
    fused = 4 * MAIN + 0.1 * SIDE
    assert rows["hpnet"][1:4] == ["probabilities", "4", str(right_of(MAIN))]
    assert rows["J"][1:4] == ["logits", "0.1", str(right_of(SIDE))]
    assert rows["fused"][2] == str(right_of(fused))
    assert rows["fused"][-1] == f"{100 * mean_class(fused):.2f}%"


def test_files_that_others_name_clips_by_are_no_part_of_their_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """ST-GCN and 2s-AGCN call clips by NTU's files of skeletons."""
    ids = [f"S001C001P001R001A{action:03d}" for action in range(1, 61)]
    write_pickle(
        tmp_path / "x.pkl", {f"{name}.skeleton": row for name, row in zip(ids, np.eye(60), strict=True)}
    )
    assert fuse(f"x={tmp_path / 'x.pkl'}", "--weights", "1", "--labels", "ntu60") == 0
    assert figures(capsys.readouterr().out)["x"][3] == "60"
    (tmp_path / "clips.csv").write_text(
        "path,label\n" + "".join(f"a/{name}.avi,{at}\n" for at, name in enumerate(ids))
    )
    assert fuse(f"x={tmp_path / 'x.pkl'}", "--weights", "1", "--labels", tmp_path / "clips.csv") == 1
    assert f"{ids[0]!r} has none; labels are of clips such as 'a/{ids[0]}'" in capsys.readouterr().err
    (tmp_path / "y.pkl").write_bytes(pickle.dumps({"split": {}, "annotations": []}))
    assert fuse(f"y={tmp_path / 'y.pkl'}", "--weights", "1", "--labels", "ntu60") == 1
    assert "expected scores, got annotations of PYSKL" in capsys.readouterr().err


def test_log_probabilities_are_the_default(published: Path, tmp_path: Path) -> None:
    sources = (f"a={published}/*_best_score.npy", f"b={published / 'J.pkl'}")
    assert fuse(*sources, "--weights", "1,2", "--labels", "smarthome", "--out", tmp_path / "x") == 0
    scores = load_scores(tmp_path / "x" / "scores_test.npz")
    expected = np.log(MAIN) + 2 * np.log(softmax(SIDE))
    place = [NAMES.index(f"{clip_id}.mp4") for clip_id in scores.clip_ids]
    np.testing.assert_allclose(scores.scores, expected[place], atol=1e-4)
    assert scores.class_names == CLASSES
    np.testing.assert_array_equal(scores.labels, LABELS[place])
    about = json.loads((tmp_path / "x" / "fusion.json").read_text())
    assert about["weights"] == {"a": 1.0, "b": 2.0}
    assert about["test"]["acc/top1"] == right_of(expected) / 60


def ours(path: Path, values: np.ndarray, *, keep: slice = slice(None), prefix: str = "") -> Path:
    """Scores in our own format; clip ids without the suffix of a video."""
    ids = tuple(prefix + name.removesuffix(".mp4") for name in NAMES[keep])
    path.parent.mkdir(parents=True, exist_ok=True)
    save_scores(path, ClipScores(ids, values[keep], LABELS[keep].astype(np.int64), CLASSES))
    return path


def test_ours_and_theirs_match_by_clip_and_share_labels(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = ours(tmp_path / "mine.npz", SIDE)
    assert fuse(mine, f"theirs={published}/*_best_score.npy", "--weights", "1,1") == 0
    rows = figures(capsys.readouterr().out)
    assert rows["theirs"][3] == str(right_of(MAIN))
    assert rows["fused"][2] == str(right_of(np.log(MAIN) + np.log(softmax(SIDE))))


def test_weights_are_fitted_on_the_val_scores_of_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, strength in (("good", 3.0), ("noise", 0.0)):
        ours(tmp_path / name / "scores_test.npz", noisy(2, strength=strength))
        ours(tmp_path / name / "scores_val.npz", noisy(3, strength=strength), prefix="val-")
    assert fuse(tmp_path / "good", tmp_path / "noise", "--out", tmp_path / "out") == 0
    about = json.loads((tmp_path / "out" / "fusion.json").read_text())
    assert about["fitted_on"] == "val"
    assert about["weights"]["good"] > 5 * about["weights"]["noise"]
    capsys.readouterr()
    val = ",".join(f"{name}={tmp_path / name / 'scores_val.npz'}" for name in ("noise", "good"))
    files = [f"{name}={tmp_path / name / 'scores_test.npz'}" for name in ("good", "noise")]
    assert fuse(*files, "--val", val) == 0
    assert figures(capsys.readouterr().out)["good"][2] == f"{about['weights']['good']:.4g}"
    test = ",".join(files)
    assert fuse(*files, "--val", test) == 1
    assert "60 are in both" in capsys.readouterr().err


def test_missing_and_repeated_clips_are_errors(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main_scores = f"a={published}/*_best_score.npy"
    write_pickle(tmp_path / "short.pkl", dict(zip(NAMES[1:], SIDE[1:], strict=True)))
    words = (main_scores, f"b={tmp_path / 'short.pkl'}", "--weights", "1,1", "--labels", "smarthome")
    assert fuse(*words) == 1
    assert f"1 are in one only, for example '{NAMES[0].removesuffix('.mp4')}'" in said(capsys)
    write_parts(tmp_path, [*NAMES[:59], NAMES[0]], MAIN)
    assert fuse(f"{tmp_path}/*_best_score.npy", "--weights", "1", "--labels", "smarthome") == 1
    assert f"expected every clip once, got '{NAMES[0]}' twice" in said(capsys)
    two = {"Walk_p03_r00_v11_c02.mp4": SIDE[0], "Walk_p03_r00_v11_c02.avi": SIDE[1]}
    write_pickle(tmp_path / "two.pkl", two)  # one clip under two names
    assert fuse(tmp_path / "two.pkl", "--weights", "1", "--labels", "smarthome") == 1
    assert "unique clip ids" in said(capsys)


def test_labels_that_do_not_fit_are_errors(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = tmp_path / "x.pkl"
    write_pickle(scores, {"Dance_p03_r00_v11_c02.mp4": SIDE[0]})
    assert fuse(scores, "--weights", "1", "--labels", "smarthome") == 1
    assert "expected a label for every clip, 'Dance_p03_r00_v11_c02'" in said(capsys)
    write_pickle(scores, {NAMES[0]: SIDE[0, :7]})
    assert fuse(scores, "--weights", "1", "--labels", "smarthome") == 1
    assert "expected scores of 19 or 31 classes for --labels smarthome, got 7" in said(capsys)
    assert fuse(tmp_path / "none.pkl", "--weights", "1") == 1
    assert "cannot be read" in said(capsys)
    assert fuse(f"{tmp_path}/*.npy", "--weights", "1") == 1
    assert "there is no such file" in said(capsys)


def test_labels_of_a_manifest_and_an_order_of_classes(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{name},{CLASSES[k]}" for name, k in zip(NAMES, LABELS, strict=True)]
    (tmp_path / "clips.csv").write_text("\n".join(["path,class_name", *rows]))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES))
    words = [published / "J.pkl", "--weights", "1", "--labels", tmp_path / "clips.csv"]
    assert fuse(*words, "--classes", tmp_path / "classes.txt") == 0
    assert figures(capsys.readouterr().out)["fused"][2] == str(right_of(SIDE))
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES[::-1]))
    assert fuse(*words, "--classes", tmp_path / "classes.txt") == 0
    assert figures(capsys.readouterr().out)["fused"][2] == str(right_of(SIDE[:, ::-1]))


def test_without_labels_scores_are_fused_all_the_same(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fuse(published / "J.pkl", "--weights", "1", "--add", "scores", "--out", tmp_path / "x") == 0
    assert "no figures: clips lack labels" in capsys.readouterr().out
    scores = load_scores(tmp_path / "x" / "scores_test.npz")
    np.testing.assert_array_equal(scores.scores, SIDE[::-1])
    assert (scores.labels == -1).all()


def test_weights_are_given_or_to_be_fitted(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fuse(published / "J.pkl", "--labels", "smarthome") == 1
    assert "expected --weights, or --val" in said(capsys)
    for words, message in (
        (("--weights", "1,2"), "expected --weights with 1 numbers such as 1"),
        (("--weights", "nan"), "expected --weights with 1 numbers"),
        (("--weights", "-1"), "expected --weights >= 0"),
        (("--add", "scores"), "expected --weights with --add scores"),
        (("--val", "x=y.pkl"), "expected --val to name J, got x"),
    ):
        with pytest.raises(SystemExit, match="2"):
            fuse(published / "J.pkl", *words)
        assert message in said(capsys)


def test_only_folders_of_fuse_are_replaced(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (published / "J.pkl", "--weights", "1", "--labels", "smarthome", "--out", tmp_path / "x")
    assert fuse(*words) == 0
    assert fuse(*words) == 1
    assert "already exists; choose another or replace it with --overwrite" in said(capsys)
    assert fuse(*words, "--overwrite") == 0
    (tmp_path / "x" / "summary.json").touch()  # a run of train has one
    capsys.readouterr()
    assert fuse(*words, "--overwrite") == 1
    assert "replaces folders of heatpool fuse only" in said(capsys)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the published score files are not here")
def test_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    """HP-Net on Toyota-Smarthome CV1, alone and with its four skeleton streams, from the original files."""
    folder = SHARED / "scores" / "smarthome_cv1"
    streams = [f"{name}={folder / name}_epoch1_test_score.pkl" for name in ("J", "B", "JM", "BM")]
    hpnet = f"hpnet={folder}/*_best_score.npy"
    weights = ("--weights", "4,0.1,0.1,0.1,0.1", "--add", "scores", "--labels", "smarthome")
    assert fuse(hpnet, *streams, *weights) == 0
    out = capsys.readouterr().out
    assert out.startswith("1,901 clips")
    rows = figures(out)
    assert re.match(r"hpnet +probabilities +4 +1,407 +74\.01% .* 51\.66%$", out.splitlines()[1])
    assert (rows["fused"][2], rows["fused"][3], rows["fused"][-1]) == ("1,404", "73.86%", "57.88%")
