"""Places of a terminal."""

from __future__ import annotations

import pytest

from heatpool.pipelines.drawing.text_width import cut_middle, cut_text, pad_text, text_width


@pytest.mark.parametrize(
    ("text", "width"), [("", 0), ("wave", 4), ("打架", 4), ("ｗ", 2), ("e\u0301", 1), ("не дерутся", 10)]
)
def test_a_letter_takes_one_place_two_or_none(text: str, width: int) -> None:
    assert text_width(text) == width
    assert pad_text(text, 12) == text + " " * (12 - width)
    assert pad_text(text, 12, right=True) == " " * (12 - width) + text


@pytest.mark.parametrize(("most", "text"), [(6, "打架 a"), (5, "打架…"), (4, "打…"), (3, "打…"), (2, "…")])
def test_a_text_is_cut_to_its_room(most: int, text: str) -> None:
    assert cut_text("打架 a", most) == text
    assert text_width(text) <= most


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("take one of many 7.mp4", "take … 7.mp4"),
        ("竞技竞技竞技竞技竞技7.mp4", "竞技竞…7.mp4"),
        ("short.mp4", "short.mp4"),
    ],
)
def test_a_name_is_cut_in_its_middle(name: str, text: str) -> None:
    assert cut_middle(name, 12) == text
