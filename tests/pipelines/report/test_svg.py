from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np

from heatpool.pipelines.report.svg import Line, Row, bar_chart, confusion_chart, histogram, line_chart, tag


def test_tag_escapes_texts_and_attributes() -> None:
    made = tag("text", "<b>&", x=1.5, text_anchor='"end"', class_=None)
    assert made == '<text x="1.5" text-anchor="&#34;end&#34;">&lt;b&gt;&amp;</text>'


def test_bars_are_as_long_as_their_shares() -> None:
    chart = ElementTree.fromstring(
        bar_chart([Row("a", 0.5, 0.4, 0.6, "#000"), Row("b", 1.0, 0.9, 1.0, "#000")], label="two")
    )
    assert chart.get("aria-label") == "two"
    half, whole = (float(bar.get("width", "")) for bar in chart.iter("rect"))
    assert whole == 2 * half
    assert "50.0 %" in [text.text for text in chart.iter("text")]


def test_line_breaks_where_nothing_was_measured() -> None:
    line = Line("val", [0, 1, 2, 3, 4], [1, 2, math.nan, 3, math.nan], "#000")
    chart = ElementTree.fromstring(line_chart([line], label="l", x_name="epoch", y_name="loss"))
    (path,) = chart.iter("path")
    assert re.sub(r"[^ML]", "", path.get("d", "")) == "MLM"
    assert len(list(chart.iter("circle"))) == 1  # the lonely point


def test_line_of_one_epoch_and_mark() -> None:
    chart = line_chart(
        [Line("val", [5], [0.5], "#000")],
        label="l",
        x_name="epoch",
        y_name="top-1",
        percent=True,
        mark=(5, "best epoch 5"),
    )
    assert "best epoch 5" in chart
    assert "nan" not in chart.lower()


def test_histogram_counts_every_clip() -> None:
    frames = np.array([10, 10, 11, 50])
    chart = ElementTree.fromstring(histogram(frames, label="h", x_name="frames", colour="#000"))
    said = [title.text or "" for title in chart.iter("title")]
    assert said[0] == "3 clips of 10 to 12"
    assert sum(int(text.split()[0]) for text in said) == 4


def test_confusion_shows_counts_of_sixty_classes() -> None:
    names = [f"class {k} <&>" for k in range(60)]
    confusion = np.diag(np.full(60, 3))
    confusion[4, 7] = 1
    chart = ElementTree.fromstring(confusion_chart(confusion, names, label="c"))
    said = [title.text or "" for title in chart.iter("title")]
    assert "class 4 <&> taken for class 7 <&>: 1 of 4 clips (25 %)" in said
    assert sum("taken for" in text for text in said) == 61
    assert float(chart.get("width", "")) < 1100
