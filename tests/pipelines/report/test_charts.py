from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from heatpool.pipelines.report.card import Bin, _bins
from heatpool.pipelines.report.charts import FRAME, Line, line_chart, ticks
from heatpool.pipelines.report.page import _environment


def draw(macro: str, *values: object) -> ElementTree.Element:
    """What the page shows, as a tree."""
    template = _environment().get_template("charts.html")
    shown = getattr(template.make_module(), macro)(*values)
    return ElementTree.fromstring(f"<body>{shown}</body>")


def texts(tree: ElementTree.Element) -> list[str]:
    return [text.strip() for text in tree.itertext() if text.strip()]


def test_line_breaks_where_nothing_was_measured() -> None:
    line = Line("val", [0, 1, 2, 3, 4], [1, 2, math.nan, 3, math.nan], "#000")
    (curve,) = line_chart([line], label="l", x_name="epoch", y_name="loss").curves
    assert re.sub(r"[^ML]", "", curve.path) == "MLM"
    assert len(curve.dots) == 1  # the lonely point


def test_lines_span_the_axes_and_texts_are_escaped() -> None:
    line = Line("<b>", [0, 10], [0, 1], "var(--blue)", "6 3")
    chart = line_chart([line], label='"l"', x_name="<i>", y_name="top-1", percent=True)
    assert chart.curves[0].path == f"M{FRAME.left:g} {FRAME.bottom:g}L{FRAME.right:g} {FRAME.top:g}"
    drawn = draw("lines", chart)
    (svg,) = [each for each in drawn.iter("svg") if each.get("role") == "img"]
    assert svg.get("aria-label") == '"l"'
    assert {"<b>", "<i>", "top-1", "0 %", "100 %"} <= set(texts(drawn))
    dashes = [path.get("stroke-dasharray") for path in drawn.iter("path") if path.get("style")]
    assert dashes == ["6 3", "6 3"]  # the legend's and the line's


def test_line_of_one_epoch_with_the_best_one() -> None:
    chart = line_chart(
        [Line("val", [5], [0.5], "#000")],
        label="l",
        x_name="epoch",
        y_name="top-1",
        percent=True,
        best=(5, "best epoch 5"),
    )
    drawn = draw("lines", chart)
    assert "best epoch 5" in texts(drawn)
    assert "nan" not in ElementTree.tostring(drawn, "unicode").lower()


@pytest.mark.parametrize(
    ("low", "high", "whole", "expected"),
    [
        (0.0, 1.0, False, [0, 0.25, 0.5, 0.75, 1]),
        (0.0, 2.1, False, [0, 1, 2]),
        (1.0, 3.0, True, [1, 2, 3]),
        (0.0, 79.0, True, [0, 20, 40, 60]),
        (0.3, 1.9, False, [0.5, 1, 1.5]),
    ],
)
def test_ticks_are_round(low: float, high: float, whole: bool, expected: list[float]) -> None:
    assert ticks(low, high, 4, whole=whole) == expected


def test_bins_count_every_clip() -> None:
    assert _bins(np.array([10, 10, 11, 50]))[0] == Bin(10, 12, 3)
    assert sum(each.clips for each in _bins(np.array([10, 10, 11, 50]))) == 4
    assert _bins(np.array([10, 10])) == ()
    drawn = draw("histogram", _bins(np.array([10, 10, 11, 50])), "lengths", "frames")
    bars = [each for each in drawn.iter("span") if each.get("title")]
    assert bars[0].get("title") == "3 clips of 10 to 12 frames"
    assert [bar.get("style") for bar in bars if (bar.get("title") or "").startswith("1 clip ")] == [
        "height:33.3%"
    ]


def test_bars_are_as_long_as_their_shares() -> None:
    track = draw("share_bar", 0.5, "#000", (0.4, 0.65)).find("span")
    assert track is not None
    assert [each.get("style") for each in track] == ["width:50.0%;background:#000", "left:40.0%;width:25.0%"]


def test_confusion_shows_counts_of_sixty_classes() -> None:
    names = [f"class {k} <&>" for k in range(60)]
    confusion = np.diag(np.full(60, 3))
    confusion[4, 7] = 1
    drawn = draw("confusion_matrix", confusion.tolist(), names)
    cells = {cell.get("title"): cell for cell in drawn.iter("td") if cell.get("title")}
    wrong = cells["class 4 <&> taken for class 7 <&>: 1 of 4 clips (25 %)"]
    assert (wrong.text, wrong.get("style")) == ("1", "background:rgb(var(--miss) / 0.44)")
    assert len(cells) == 61
    assert sum("--hit" in (cell.get("style") or "") for cell in cells.values()) == 60
    rows = drawn.findall("table/tbody/tr")
    assert [len(row.findall("td")) for row in rows] == [60] * 60
    assert "dense" in (drawn.find("table").get("class") or "")  # type: ignore[union-attr]
