from __future__ import annotations

import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.records import ClipIndex
from heatpool.pool.split_findings.leaks import find_leaks, refuse_leaks
from tests.pool.split_findings.split_cases import TEST, TRAIN, VAL, N, index


def found(
    given: ClipIndex, protocol: str = "xsub", **arguments: object
) -> list[tuple[str, str, tuple[int, ...]]]:
    findings = find_leaks(given, protocol, **arguments)  # type: ignore[arg-type]
    return [(finding.level, finding.check, finding.rows) for finding in findings]


def test_a_subject_in_train_and_test_is_caught() -> None:
    given = index([TRAIN, TRAIN, VAL, TEST, TEST], subject="12341")
    assert found(given, disjoint="subject") == [("error", "subject_leak", (0, 4))]
    (leak,) = find_leaks(given, "xsub", disjoint="subject")
    assert leak.message == "xsub: 1 subject both in train and test: 1"
    with pytest.raises(HeatpoolError, match="the split leaks: xsub: 1 subject both in train and test: 1;"):
        refuse_leaks(given, "xsub", {"xsub": "subject"})


def test_disjoint_subjects_pass() -> None:
    given = index([TRAIN, TRAIN, VAL, TEST, TEST, N], subject="112331", camera="121212")
    assert found(given, disjoint="subject") == []
    refuse_leaks(given, "xsub", {"xsub": "subject"})


def test_a_camera_may_be_in_train_and_val_but_not_in_test() -> None:
    given = index([TRAIN, VAL, TEST], camera="221")
    assert found(given, disjoint="camera") == []
    assert found(index([TRAIN, VAL, TEST], camera="211"), disjoint="camera") == [
        ("error", "camera_leak", (1, 2))
    ]


def test_val_must_not_have_the_subjects_of_train() -> None:
    assert found(index([TRAIN, VAL, TEST], subject="112"), disjoint="subject") == [
        ("error", "subject_leak", (0, 1))
    ]


def test_without_a_rule_shared_subjects_are_a_warning() -> None:
    given = index([TRAIN, TEST, TEST], subject="11-", protocol="mine")
    assert found(given, "mine") == [("warning", "subject_leak", (0, 1))]
    refuse_leaks(given, "mine")
    with pytest.raises(HeatpoolError, match="mine: 1 subject"):
        refuse_leaks(given, "mine", disjoint={"mine": "subject"})


def test_a_rule_without_its_column_is_said() -> None:
    assert found(index([TRAIN, TEST]), disjoint="subject") == [("warning", "subject_unknown", ())]


def test_a_video_in_two_parts_is_caught_by_path_and_by_content() -> None:
    given = index([TRAIN, TEST, VAL, N], paths=["a.mp4", "a.mp4", "b.mp4", "b.mp4"])
    assert found(given) == [("error", "video_leak", (0, 1))]
    assert found(index([TRAIN, TEST, TEST]), contents=["x", "x", ""]) == [("error", "content_leak", (0, 1))]
    assert found(index([TEST, TEST, TEST]), contents=["x", "x", ""]) == []


def test_an_unknown_protocol_is_refused() -> None:
    with pytest.raises(HeatpoolError, match="expected a split protocol of xsub, got 'xset'"):
        find_leaks(index([TRAIN]), "xset")


@pytest.mark.parametrize("protocol", ["split1", "cs", "cv1", "xsub", "xview"])
def test_a_protocol_is_judged_by_the_rule_it_came_with_and_never_by_its_name(protocol: str) -> None:
    splits, own = [TRAIN, TEST], {"subject": "11", "camera": "12"}
    refuse_leaks(index(splits, protocol=protocol, **own), protocol)
    refuse_leaks(index(splits, protocol=protocol, disjoint={"other": "subject"}, **own), protocol)
    ruled = index(splits, protocol=protocol, disjoint={protocol: "subject"}, **own)
    assert found(ruled, protocol) == [("error", "subject_leak", (0, 1))]
    with pytest.raises(HeatpoolError, match=f"the split leaks: {protocol}: 1 subject"):
        refuse_leaks(ruled, protocol)
    refuse_leaks(ruled, protocol, {protocol: "camera"})  # what is asked for overrules
    with pytest.raises(HeatpoolError, match="1 subject"):
        refuse_leaks(ruled, protocol, {"another": "camera"})


def test_a_rule_is_a_column_per_protocol() -> None:
    with pytest.raises(ValueError, match="expected a column per protocol in disjoint"):
        index([TRAIN], disjoint={"xsub": None})  # type: ignore[dict-item]
