from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heatpool.pool.derive.join import join_index
from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex, Split

TRAIN, TEST = int(Split.TRAIN), int(Split.TEST)


def make(
    ids: str, *, paths: str = "", labels: tuple[int, ...] = (), names: tuple[str, ...] = (), **more: object
) -> ClipIndex:
    clips = ids.split()
    return ClipIndex(
        clip_id=tuple(clips),
        path=tuple(paths.split() or (f"{name}.mp4" for name in clips)),
        label=np.array(labels or [-1] * len(clips), np.int32),
        class_names=names,
        **more,  # type: ignore[arg-type]
    )


STORED = make(
    "a b c d", labels=(0, 1, 0, 1), names=("sit", "wave"),
    columns={"subject": tuple("wxyz"), "camera": tuple("1234")},
    splits={"old": np.array([1, 2, 3, 1], np.uint8)}, disjoint={"old": "subject"},
)  # fmt: skip


def test_labels_splits_and_columns_are_replaced_and_clips_found_by_id() -> None:
    given = make(
        "c x a", labels=(1, 0, 0), names=("jump", "wave"), columns={"subject": tuple("QXP")},
        splits={"new": np.array([TEST, TRAIN, TRAIN], np.uint8)},
    )  # fmt: skip
    joined = join_index(STORED, given)
    index = joined.index
    assert joined.found.tolist() == [True, False, True, False]
    assert joined.unknown == 1
    assert (index.clip_id, index.path) == (STORED.clip_id, STORED.path)
    assert index.class_names == ("jump", "wave")
    assert index.label.tolist() == [0, -1, 1, -1]
    assert index.columns == {"subject": ("P", "", "Q", ""), "camera": tuple("1234")}
    assert {name: split.tolist() for name, split in index.splits.items()} == {"new": [TRAIN, 0, TEST, 0]}
    assert index.disjoint == {}
    assert (index.label.dtype, index.splits["new"].dtype) == (np.int32, np.uint8)


def test_a_kind_that_is_not_given_stays_but_for_clips_left_out() -> None:
    splits_only = join_index(STORED, make("a b d", splits={"new": np.array([1, 2, 3], np.uint8)})).index
    assert splits_only.class_names == ("sit", "wave")
    assert splits_only.label.tolist() == [0, 1, -1, 1]
    labels_only = join_index(STORED, make("b c d", labels=(0, 0, 0), names=("all",))).index
    assert labels_only.splits["old"].tolist() == [0, 2, 3, 1]
    empty = replace(labels_only, splits={"remarks": np.zeros(4, np.uint8)})  # a column that nobody filled
    assert list(join_index(STORED, empty).index.splits) == ["old"]
    assert labels_only.disjoint == {"old": "subject"}
    assert labels_only.label.tolist() == [-1, 0, 0, 0]


def test_clips_are_found_by_path_and_time_where_ids_differ() -> None:
    stored = make("v@0.00-2.00 v@2.00-4.00 w@0.00-2.00 u", paths="v.mp4 v.mp4 w.mp4 u.mp4")
    given = make("1 2 3 4", paths="v.mp4 w.mp4 u.mp4 u.mp4", labels=(0, 1, 2, 2), names=tuple("xyz"))
    spans = [(2.0, 4.0), (0.0, None), (0.0, None), (0.0, None)]
    joined = join_index(stored, given, spans=spans)
    # The window; the whole video, hence its windows; u is named twice, so by its path alone by nobody.
    assert joined.index.label.tolist() == [-1, 0, 1, -1]
    assert joined.unknown == 2
    part = join_index(stored, make("1", paths="v.mp4", labels=(0,), names=("x",)), spans=[(0.0, None)])
    assert part.index.label.tolist() == [0, 0, -1, -1]
    with pytest.raises(HeatpoolError, match="none of 1 clips is in the store"):
        join_index(stored, make("1", paths="v.mp4", labels=(0,), names=("x",)), spans=[(1.0, None)])


def test_ids_and_paths_are_equal_in_whatever_form_of_unicode() -> None:
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    for stored, given in ((nfc, nfd), (nfd, nfc)):
        for ids in ((stored, given), ("a", "b")):
            relabelled = make(ids[1], paths=given, labels=(1,), names=("sit", "wave"))
            joined = join_index(make(ids[0], paths=stored), relabelled)
            assert joined.found.all()
            assert joined.index.label.tolist() == [1]
            assert joined.index.path == (stored,)


def test_what_is_found_by_its_id_says_nothing_of_its_video() -> None:
    """As in the manifest of a store from which a window was dropped."""
    stored = make("v@0.00-2.00 v@2.00-4.00", paths="v.mp4 v.mp4")
    given = make("v@0.00-2.00", paths="v.mp4", labels=(0,), names=("x",))
    assert join_index(stored, given).index.label.tolist() == [0, -1]


def test_other_clips_are_refused_in_one_line() -> None:
    other_times = make("a@1.00-2.00 a@3.00-4.00", paths="a.mp4 a.mp4", labels=(0, 0), names=("x",))
    with pytest.raises(HeatpoolError, match=r"none of 2 clips is .*, though videos such as 'a\.mp4' are"):
        join_index(STORED, other_times, spans=[(1, 2), (3, 4)])
    with pytest.raises(HeatpoolError, match=r"such as 'a' or 'a\.mp4', got 'q' and 'q\.mp4'$"):
        join_index(STORED, make("q", labels=(0,), names=("x",)))
