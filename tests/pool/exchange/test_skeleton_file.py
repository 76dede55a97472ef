from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from heatpool.pool.errors import HeatpoolError
from heatpool.pool.exchange.skeleton_file import read_skeleton
from heatpool.pool.skeleton import Skeleton

HAND = """
name: three fingers
joints: [wrist, thumb, index]
edges: [[wrist, thumb], [0, 2]]
"""


def test_a_file_names_joints_and_joins_them_by_name_or_number(tmp_path: Path) -> None:
    file = tmp_path / "hand.yaml"
    file.write_text(HAND, encoding="utf-8")
    assert read_skeleton(file) == Skeleton("three fingers", ("wrist", "thumb", "index"), ((0, 1), (0, 2)))
    file.write_text("joints: [a, b]", encoding="utf-8")
    assert read_skeleton(file) == Skeleton("hand", ("a", "b"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("joints: [a, b", "expected YAML, got"),
        ("!!python/object/apply:os.system [true]", "expected YAML, got"),
        ("[a, b]", "expected joints, edges and perhaps name, got list"),
        ("names: [a, b]", "expected joints, edges and perhaps name, got names"),
        ("joints: {a: 1}", "expected joints and edges as lists, got {'a': 1}"),
        ("joints: [a, a]", "expected a name and unique joint names"),
        ("joints: [a, b]\nedges: [[a, c]]", "expected edges between its joints, got 'c'"),
        ("joints: [a, b]\nedges: [[0, 2]]", "expected edges between joints 0 to 1, got [(0, 2)]"),
        ("joints: [a, b]\nedges: [[0, 0]]", "expected edges between joints 0 to 1, got [(0, 0)]"),
        ("joints: [a, b]\nedges: [[0, 1], [b, a]]", "expected each edge once"),
        ("joints: [a, b]\nedges: [ab]", "expected edges as pairs of joints, got 'ab'"),
    ],
)
def test_other_files_are_refused_in_a_line(text: str, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(HeatpoolError) as refused:
        read_skeleton(file)
    assert str(refused.value).startswith(f"{file}: {reason}")
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(HeatpoolError, match="cannot read "):
        read_skeleton(tmp_path / "none.yaml")


def test_aliases_of_aliases_are_not_unfolded(tmp_path: Path) -> None:
    names = "abcdefgh"
    text = "joints: [&a [x, x, x, x, x, x, x, x, x, x]" + "".join(
        f", &{name} [{', '.join([f'*{before}'] * 10)}]" for before, name in pairwise(names)
    )
    file = tmp_path / "many.yaml"
    file.write_text(f"{text}]", encoding="utf-8")
    with pytest.raises(HeatpoolError, match="expected YAML, got 'its aliases unfold to 12[0-9,]* values'"):
        read_skeleton(file)
