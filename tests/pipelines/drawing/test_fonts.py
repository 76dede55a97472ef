"""Letters that the drawing library's own font has not."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import matplotlib
import pytest

from heatpool.pipelines.drawing import fonts
from heatpool.pipelines.drawing.fonts import Fonts, find_fonts
from heatpool.pipelines.drawing.panel import PredictionPanel

STIX = Path(matplotlib.get_data_path(), "fonts", "ttf", "STIXGeneral.ttf")


def test_a_font_of_the_machine_that_has_the_letters_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.ttf").write_text("no font")
    monkeypatch.setattr(fonts, "findSystemFonts", lambda: [str(STIX), str(tmp_path / "a.ttf")])
    assert find_fonts(["wave", "не дерутся"]) == Fonts(("DejaVu Sans",), frozenset())
    assert find_fonts(["wave ⃝"]).families == ("DejaVu Sans", "STIXGeneral")


def test_letters_that_no_font_has_are_squares_and_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fonts, "findSystemFonts", list)
    fonts._warn.cache_clear()
    with caplog.at_level(logging.WARNING), warnings.catch_warnings():
        warnings.simplefilter("error")
        panel = PredictionPanel([(0, 1)], [[("打架 a", 0.5)]], [""], span_s=(0, 1), width_px=320)
        panel.at(0, 0.0)
    assert caplog.messages == ["no font on this machine has 打架: drawn as □; Noto's fonts have it"]
    assert find_fonts(["打架 a"]).drawable("打架 a") == "□□ a"


def test_control_characters_are_squares() -> None:
    assert find_fonts(["a\x1bb"]).drawable("a\x1bb\u200d") == "a□b\u200d"
