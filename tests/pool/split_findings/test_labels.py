from __future__ import annotations

import numpy as np
import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.split_findings.labels import check_labels, require_labels
from tests.pool.split_findings.split_cases import TRAIN, index


def test_labels() -> None:
    findings = check_labels(index([TRAIN] * 3, labels=[0, -1, 1], class_names=("a", "a")))
    assert [(each.level, each.check, each.rows) for each in findings] == [
        ("warning", "unlabelled", (1,)),
        ("error", "class_name", (0, 2)),
    ]
    assert check_labels(index([TRAIN] * 2, labels=[0, 1])) == []


def test_clips_without_a_label_are_refused_in_one_wording() -> None:
    require_labels(np.array([0, 1]), ("a", "b"), "cannot evaluate")
    require_labels(np.array([], np.int64), (), "cannot evaluate")
    with pytest.raises(HeatpoolError) as error:
        require_labels(np.array([0, -1, -1]), ("a", "b", "c"), "cannot evaluate")
    assert str(error.value) == "cannot evaluate: 2 of 3 clips have no label, such as 'b'"
