"""Text in columns, of a terminal or a picture: letters of some scripts take two places, and marks none."""

from __future__ import annotations

from unicodedata import category, east_asian_width

__all__ = ["cut_middle", "cut_text", "pad_text", "text_width"]


def text_width(text: str) -> int:
    """Return the places that a text takes in a terminal."""
    return sum(map(_places, text))


def cut_text(text: str, most: int) -> str:
    """Shorten a text to `most` places (1 or more); a sign at its end says so."""
    if text_width(text) <= most:
        return text
    taken = end = 0
    for letter in text:
        taken += _places(letter)
        if taken > most - 1:
            break
        end += 1
    return text[:end] + "…"


def cut_middle(text: str, most: int) -> str:
    """Shorten a name to `most` places or a few less; how it ends tells it from others."""
    if text_width(text) <= most:
        return text
    end = cut_text(text[::-1], most // 2 + 1)[-2::-1]
    return cut_text(text, most - text_width(end)) + end


def pad_text(text: str, width: int, *, right: bool = False) -> str:
    """Fill a text up to `width` places, at its left for numbers (`right`)."""
    room = " " * (width - text_width(text))
    return room + text if right else text + room


def _places(letter: str) -> int:
    if category(letter) in ("Mn", "Me", "Cf"):  # accents and joiners go with the letter before
        return 0
    return 2 if east_asian_width(letter) in "WF" else 1
