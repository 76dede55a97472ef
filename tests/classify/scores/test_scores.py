from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from heatpool.classify.scores.scores import ClipScores, align_scores, load_scores, save_scores
from heatpool.pool.errors import HeatpoolError


def make_scores(ids: str = "abc", *, labels: tuple[int, ...] = (0, 1, 0), shift: float = 0.0) -> ClipScores:
    values = np.arange(2 * len(ids), dtype=np.float32).reshape(-1, 2) + shift
    return ClipScores(tuple(ids), values, np.array(labels, np.int64), ("sit", "stand"))


@given(
    ids=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), unique=True, max_size=6
    ),
    data=st.data(),
)
def test_files_give_back_what_was_saved(
    tmp_path_factory: pytest.TempPathFactory, ids: list[str], data: st.DataObject
) -> None:
    finite = st.floats(-1e6, 1e6, width=32)
    scores = ClipScores(
        clip_ids=tuple(ids),
        scores=data.draw(arrays(np.float32, (len(ids), 3), elements=finite)),
        labels=data.draw(arrays(np.int64, len(ids), elements=st.integers(-1, 2))),
        class_names=("a", "bé", "汉字"),
        kind="logits",
    )
    path = tmp_path_factory.mktemp("scores") / "scores_val.npz"
    save_scores(path, scores)
    again = load_scores(path)
    assert (again.clip_ids, again.class_names, again.kind) == (scores.clip_ids, scores.class_names, "logits")
    np.testing.assert_array_equal(again.scores, scores.scores)
    np.testing.assert_array_equal(again.labels, scores.labels)
    assert [file.name for file in path.parent.iterdir()] == ["scores_val.npz"]


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="no score file"):
        load_scores(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(HeatpoolError, match="cannot read scores"):
        load_scores(tmp_path / "text.npz")
    np.savez(tmp_path / "other.npz", scores=np.zeros((2, 2)))
    with pytest.raises(HeatpoolError, match="it lacks clip_id"):
        load_scores(tmp_path / "other.npz")
    names = {"class_names": np.array(["a", "b"]), "kind": np.array("logits")}
    np.savez(
        tmp_path / "numbers.npz",
        scores=np.zeros((2, 2)),
        clip_id=np.arange(2),
        labels=np.zeros(2, int),
        **names,
    )
    with pytest.raises(HeatpoolError, match="expected texts as clip_id, got int64"):
        load_scores(tmp_path / "numbers.npz")
    save_scores(tmp_path / "cut.npz", make_scores())
    data = (tmp_path / "cut.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(data[: len(data) // 2])
    with pytest.raises(HeatpoolError, match="cannot read scores"):
        load_scores(tmp_path / "cut.npz")


def test_a_pickled_array_is_never_loaded(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "evil.npz",
        clip_id=np.array([{"a": 1}], object),
        scores=np.zeros((1, 2), np.float32),
        labels=np.zeros(1, np.int64),
        class_names=np.array(["a", "b"]),
        kind=np.array("logits"),
    )
    with pytest.raises(HeatpoolError, match="cannot read scores"):
        load_scores(tmp_path / "evil.npz")


def test_log_probabilities_do_not_depend_on_the_kind() -> None:
    probabilities = np.array([[0.25, 0.75]], np.float32)
    as_probabilities = ClipScores(("a",), probabilities, np.array([0]), ("x", "y"), "probabilities")
    as_logits = ClipScores(("a",), np.log(probabilities) + 5, np.array([0]), ("x", "y"), "logits")
    for scores in (as_probabilities, as_logits):
        np.testing.assert_allclose(np.exp(scores.log_probabilities()), probabilities, rtol=1e-5)


def test_align_brings_clips_into_one_order() -> None:
    first, other = make_scores("abc"), make_scores("cab", labels=(0, 0, 1), shift=100)
    aligned = align_scores({"one": first, "two": other})
    assert aligned["two"].clip_ids == ("a", "b", "c")
    assert aligned["two"].scores[:, 0].tolist() == [102, 104, 100]


def test_align_brings_classes_into_one_order() -> None:
    first = make_scores("abc")
    turned = replace(
        first,
        scores=first.scores[:, ::-1].copy(),
        class_names=first.class_names[::-1],
        labels=len(first.class_names) - 1 - first.labels,
    )
    back = align_scores({"one": first, "two": turned})["two"]
    assert back.class_names == first.class_names
    assert (back.labels == first.labels).all()
    assert (back.scores == first.scores).all()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (make_scores("ab", labels=(0, 1)), "1 are in one only, for example 'c'"),
        (make_scores("abd"), "2 are in one only"),
        (make_scores("abc", labels=(0, 1, 1)), "disagree on 1 labels, for example of 'c'"),
        (
            ClipScores(("a",), np.zeros((1, 2), np.float32), np.array([0]), ("x", "y")),
            "one and two know different classes",
        ),
    ],
)
def test_align_refuses_what_does_not_match(other: ClipScores, message: str) -> None:
    with pytest.raises(HeatpoolError, match=message):
        align_scores({"one": make_scores(), "two": other})


def test_duplicate_ids_are_refused() -> None:
    with pytest.raises(ValueError, match="unique clip ids, got 1 repeated, such as 'a'"):
        make_scores("aba")


def test_a_score_that_is_no_number_names_its_clip() -> None:
    scores = make_scores("abc")
    values = scores.scores.copy()
    values[1, 0] = np.inf
    with pytest.raises(ValueError, match="expected finite scores, got inf for clip 'b'"):
        replace(scores, scores=values)
