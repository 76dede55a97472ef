from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from heatpool.classify.scores.foreign import RawScores, read_pickled_scores, read_score_parts
from heatpool.pool.errors import HeatpoolError
from tests.fixtures.score_files import clip_names, write_parts, write_pickle

NAMES = clip_names([0, 3, 18, 3, 7, 1])
SCORES = np.random.default_rng(0).random((6, 19)).astype(np.float32)


def parts(folder: Path, pattern: str = "*_best_score.npy") -> list[Path]:
    return sorted(folder.glob(pattern))


def test_parts_come_together_with_their_names(tmp_path: Path) -> None:
    write_parts(tmp_path, NAMES, SCORES)
    read = read_score_parts(parts(tmp_path))
    assert sorted(read.clip_ids) == sorted(NAMES)
    for name, row in zip(read.clip_ids, read.values, strict=True):
        np.testing.assert_array_equal(row, SCORES[NAMES.index(name)])


def test_an_auxiliary_head_has_the_names_of_its_rank(tmp_path: Path) -> None:
    write_parts(tmp_path, NAMES, SCORES)
    main, joint = read_score_parts(parts(tmp_path)), read_score_parts(parts(tmp_path, "*_best_j_score.npy"))
    assert joint.clip_ids == main.clip_ids
    np.testing.assert_array_equal(joint.values, main.values[:, ::-1])


@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_dicts_of_every_numpy_and_protocol_are_read(tmp_path: Path, protocol: int) -> None:
    scores = dict(zip(NAMES, SCORES, strict=True))
    write_pickle(tmp_path / "old.pkl", scores)
    assert b"numpy.core.multiarray" in (tmp_path / "old.pkl").read_bytes()
    (tmp_path / "new.pkl").write_bytes(pickle.dumps(scores, protocol=protocol))
    for name in ("old.pkl", "new.pkl"):
        read = read_pickled_scores(tmp_path / name)
        assert read.clip_ids == tuple(NAMES)
        np.testing.assert_array_equal(read.values, SCORES)


class _Malice:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_that_wants_more_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps({"a": _Malice(marker)}))
    with pytest.raises(HeatpoolError, match="refused, this pickle wants .*system"):
        read_pickled_scores(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([np.ones(2), np.ones(2)], "got a list of 2 without clip names, as MMAction2 and PYSKL write them"),
        ({}, "without entries"),
        ({3: np.zeros(2)}, "a dict with 3"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "got 2 for the first and 3 for clip 'b'"),
        ({"a": np.zeros((10, 2))}, r"one score per class for clip 'a', got float64 \(10, 2\)"),
        ({"a": "text"}, "one score per class for clip 'a'"),
        ({"a": np.ones(2), "b": np.array([1.0, np.nan])}, "finite scores, got nan for clip 'b'"),
        (
            {"a": np.array([1.0, 1e300]), "b": np.array([1, -np.inf])},
            "inf for clip .a. and others for 1",
        ),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(HeatpoolError, match=message):
        read_pickled_scores(path)


def test_a_clip_in_two_parts_counts_once_if_its_scores_agree(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A distributed test deals some clips twice, so that every process has as many."""
    write_parts(tmp_path, [*NAMES, NAMES[0]], np.concatenate([SCORES, SCORES[:1]]))
    read = read_score_parts(parts(tmp_path))
    assert sorted(read.clip_ids) == sorted(NAMES)
    assert "1 clips stand twice with the same scores" in caplog.text
    write_parts(tmp_path, [*NAMES[:5], NAMES[0]], SCORES)
    with pytest.raises(HeatpoolError, match=f"every clip once, got '{NAMES[0]}' twice, with other scores"):
        read_score_parts(parts(tmp_path))


def test_a_score_that_is_no_number_names_its_clip(tmp_path: Path) -> None:
    scores = SCORES.copy()
    scores[3, 2] = np.nan
    write_parts(tmp_path, NAMES, scores)
    with pytest.raises(HeatpoolError, match=f"expected finite scores, got nan for clip '{NAMES[3]}'"):
        read_score_parts(parts(tmp_path))


def test_lists_of_names_may_have_marks_and_windows_line_ends(tmp_path: Path) -> None:
    write_parts(tmp_path, NAMES, SCORES, ranks=1)
    text = (tmp_path / "0_best_name.txt").read_text()
    (tmp_path / "0_best_name.txt").write_bytes(text.replace("\n", " \r\n").encode("utf-8-sig"))
    assert read_score_parts(parts(tmp_path)).clip_ids == tuple(NAMES)


def test_names_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    write_parts(tmp_path, NAMES, SCORES)
    (tmp_path / "1_best_name.txt").write_text("one\n")
    with pytest.raises(
        HeatpoolError, match="1_best_score.npy holds scores of 2 clips, 1_best_name.txt names 1"
    ):
        read_score_parts(parts(tmp_path))
    (tmp_path / "1_best_name.txt").unlink()
    with pytest.raises(HeatpoolError, match="1_best_name.txt; there is no such file"):
        read_score_parts(parts(tmp_path))


def test_arrays_of_other_shapes_are_an_error(tmp_path: Path) -> None:
    write_parts(tmp_path, NAMES, SCORES)
    np.save(tmp_path / "0_best_score.npy", np.zeros(2))
    with pytest.raises(HeatpoolError, match="expected a float array"):
        read_score_parts(parts(tmp_path))
    np.save(tmp_path / "0_best_score.npy", np.zeros((2, 4)))
    with pytest.raises(HeatpoolError, match="4 in 0_best_score.npy and 19 in 1_best_score.npy"):
        read_score_parts(parts(tmp_path))
    (tmp_path / "0_best_score.npy").write_bytes(pickle.dumps([1]))
    with pytest.raises(HeatpoolError, match="0_best_score.npy: cannot be read as NumPy arrays"):
        read_score_parts(parts(tmp_path))


def test_shares_are_told_from_logits() -> None:
    half = np.full((2, 4), 0.25, np.float32)
    assert RawScores(("a", "b"), half).kind == "probabilities"
    assert RawScores(("a", "b"), half * 1.001).kind == "probabilities"  # a half-precision softmax
    assert RawScores(("a", "b"), half * 2).kind == "logits"
    assert RawScores(("a", "b"), half - np.array([1, -1, 0, 0], np.float32)).kind == "logits"
