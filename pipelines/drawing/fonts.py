"""Fonts for names in any script: the drawing library's own one has no letters of Asia's."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from unicodedata import category

from matplotlib.font_manager import findfont, findSystemFonts, fontManager, get_font

__all__ = ["Fonts", "find_fonts"]

_log = logging.getLogger(__name__)

_FIRST = "DejaVu Sans"  # comes with matplotlib
_ABSENT = "\N{WHITE SQUARE}"


@dataclass(frozen=True)
class Fonts:
    """What some texts are drawn with.

    Attributes:
        families: names of fonts; each letter is drawn with the first one that has it.
        absent: letters that no font has.
    """

    families: tuple[str, ...]
    absent: frozenset[str]

    def drawable(self, text: str) -> str:
        """Return a text with a square for each letter that no font has, and for each control character."""
        drawn = (_ABSENT if each in self.absent or category(each) == "Cc" else each for each in text)
        return "".join(drawn)


def find_fonts(texts: Iterable[str]) -> Fonts:
    """Find fonts of this machine that together have all letters of some texts; log what none has."""
    letters = {letter for text in texts for letter in text if letter.isprintable()}
    families = [_FIRST]
    letters -= _letters(findfont(_FIRST))
    for path in sorted(findSystemFonts()) if letters else ():
        try:
            found = letters & _letters(path)
        except (OSError, RuntimeError):  # not every file in a font folder is one
            continue
        if found:
            fontManager.addfont(path)  # its list of fonts may be older than this one
            families.append(get_font(path).family_name)
            letters -= found
        if not letters:
            break
    if letters:
        _warn("".join(sorted(letters)[:8]))
    return Fonts(tuple(families), frozenset(letters))


@cache  # once, not for every video
def _warn(letters: str) -> None:
    _log.warning("no font on this machine has %s: drawn as %s; Noto's fonts have it", letters, _ABSENT)


def _letters(path: str) -> set[str]:
    return set(map(chr, get_font(path).get_charmap()))
